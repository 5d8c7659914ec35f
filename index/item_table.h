// The items of a snapshot by columns: each field's values in a dictionary, each row a number into
// it. Little memory, and a filter is a pass over numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "common/filter.h"
#include "common/item.h"
#include "index/row_set.h"

namespace fluke {

// Immutable; thread-safe.
class ItemTable {
 public:
  // Row i is items[i]; ids must be unique: throws InvalidArgument otherwise.
  explicit ItemTable(const std::vector<Item>& items);
  ~ItemTable();
  ItemTable(ItemTable&&) noexcept;

  int64_t rows() const;
  Item item(int64_t row) const;
  std::optional<int64_t> FindId(std::string_view id) const;
  // The same number, 0 or more, for the same identity; -1 where it is unknown.
  int32_t identity_number(int64_t row) const;
  std::optional<int32_t> FindIdentity(std::string_view identity) const;

  // Rows whose items match, as Matches (common/filter.h) says.
  RowSet Matching(const Filter& filter) const;

  uint64_t memory_bytes() const;

 private:
  struct Columns;
  std::unique_ptr<const Columns> columns_;
};

}  // namespace fluke
