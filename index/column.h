// One field of all items: what a row says, and which rows satisfy a condition.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/filter.h"
#include "index/row_set.h"
#include "index/string_arena.h"

namespace fluke {

// How many rows have a value.
using ValueCounts = absl::flat_hash_map<std::string, int64_t>;

// Either a dictionary of the distinct values and a code a row (code 0: the row has none; code c:
// value c - 1), or, where most rows differ, the rows' values themselves. Immutable; thread-safe.
class Column {
 public:
  using Codes = std::variant<std::vector<uint8_t>, std::vector<uint16_t>, std::vector<uint32_t>>;

  // `distinct` in the order of ValueLess; `numbers`: those that the first values are.
  Column(StringArena distinct, std::vector<double> numbers, Codes codes);
  // A value a row, "" = none. `numbers`: a row's number, NaN = none; or empty: to be read from the
  // texts.
  Column(StringArena values, std::vector<double> numbers);

  std::string_view value(int64_t row) const;  // "" = none

  // Of a column with a dictionary only.
  uint32_t code(int64_t row) const;
  std::optional<uint32_t> FindCode(std::string_view value) const;

  // The dictionary, or a value a row.
  const StringArena& values() const { return values_; }

  // Adds those rows' values to the counts; "" is none.
  void CountValues(const RowSet& rows, ValueCounts& counts) const;

  // Rows that satisfy a comparison, `in` or `exists`, whatever its field is called.
  RowSet Matching(const Filter& condition) const;

  uint64_t memory_bytes() const;

  // Numbers by size, then all other texts; equal ones byte by byte. So most conditions hold for one
  // run of codes.
  static bool ValueLess(std::string_view a, std::optional<double> a_number, std::string_view b,
                        std::optional<double> b_number);

 private:
  int64_t size() const { return static_cast<int64_t>(values_.size()); }
  RowSet MatchingValues(const Filter& condition) const;
  template <typename Test>
  RowSet ValuesWhoseText(const Test& test) const;
  template <typename Test>
  RowSet ValuesWhoseNumber(const Test& test) const;
  RowSet RowsOf(const RowSet& values) const;

  StringArena values_;
  std::vector<double> numbers_;
  std::optional<Codes> codes_;
};

}  // namespace fluke
