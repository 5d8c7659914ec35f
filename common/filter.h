// A condition on an item's fields, for filtered searches.
//
//   camera = "north" and year >= 2019 and not (quality in ("bad", "blurred")) and exists(timestamp)
//
// A field is id, identity, path or a metadata column (in `backquotes` where its name is not a plain
// word). `=`, `!=`, `<`, `<=`, `>`, `>=`, `in (...)`; `and`, `or`, `not`, parentheses;
// `exists(field)`. A number is compared with what the field says as a number, a "string" byte by
// byte (so that ISO timestamps order). A field that an item lacks (or that is empty, or, compared
// with a number, is none) fails every comparison but `!=`, which is `not =`.
#pragma once

#include <cstdint>
#include <memory>
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
  std::vector<Filter> children = {};  // kAnd, kOr: any number; kNot: one
  std::string field = {};             // of the others
  std::vector<Value> values = {};     // kIn: any number; comparisons: one
};

// Throws InvalidArgument that points at the place and says what was expected; nesting is limited.
Filter ParseFilter(std::string_view text);

// The definition that every faster way must agree with.
bool Matches(const Filter& filter, const Item& item);

}  // namespace fluke
