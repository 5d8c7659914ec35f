// A condition on an item's fields, for filtered searches.
//
//   camera = "north" and year >= 2019 and not (quality in ("bad", "blurred")) and exists(timestamp)
//
//   filter = all { "or" all }
//   all    = one { "and" one }
//   one    = "not" one | "(" filter ")" | "exists" "(" field ")"
//          | field ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
//          | field "in" "(" [ value { "," value } ] ")"
//   value  = "text" | 'text' | number
//   field  = word | `any name`
//
// Keywords are of any case; a word is letters (whatever is not ASCII is one), digits and "_" and
// begins with no digit. Between quotes \\ \" \' \` are the character itself, \n \r \t are line end,
// return and tab. A field is id, identity, path or the metadata of that name, in just that case.
//
// A number is compared with the number that the field's text is (NumberIn), a text byte by byte (so
// that ISO timestamps order). A field that an item lacks or that is empty, or that is no number
// where one is compared, fails every comparison but `!=`, which is `not =`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/item.h"

namespace fluke {

struct Filter {
  enum class Kind {
    kAnd,
    kOr,
    kNot,
    kExists,
    kEqual,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kIn
  };
  using Value = std::variant<double, std::string>;

  Kind kind = Kind::kAnd;
  std::vector<Filter> children = {};  // kAnd: all of any number; kOr: one of any number; kNot: one
  std::string field = {};             // of the others
  std::vector<Value> values = {};     // kIn: any number; comparisons: one
};

// What ParseFilter takes; each condition costs a search a pass over the rows.
inline constexpr size_t kMaxFilterBytes = 1 << 16;
inline constexpr int kMaxFilterDepth = 64;        // parentheses and `not` in one another
inline constexpr int kMaxFilterConditions = 256;  // comparisons, `in` and `exists`

// Throws InvalidArgument that names the place (its column, in characters from 1) and says what was
// expected and what was found.
Filter ParseFilter(std::string_view text);

// The definition that every faster way must agree with.
bool Matches(const Filter& filter, const Item& item);

// The number that the whole of `text` is: decimal, with a sign, point or exponent if need be ("-7",
// "+.5", "1e3", "007"). None for spaces, hexadecimal, nan and inf, and what a double cannot hold.
std::optional<double> NumberIn(std::string_view text);

}  // namespace fluke
