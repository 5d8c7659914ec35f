// The items of a snapshot by columns: each field's values in a dictionary, each row a number into
// it, or, where most rows differ, the values end to end. Little memory, and a filter is a pass over
// numbers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/filter.h"
#include "common/item.h"
#include "index/column.h"
#include "index/column_builder.h"
#include "index/row_set.h"
#include "index/string_arena.h"

namespace fluke {

// Immutable; thread-safe.
class ItemTable {
 public:
  // Row i is items[i]. Throws as ItemTableBuilder does.
  explicit ItemTable(const std::vector<Item>& items);

  int64_t rows() const { return static_cast<int64_t>(ids_.values().size()); }
  Item item(int64_t row) const;
  std::string_view id(int64_t row) const { return ids_.value(row); }  // lives as long as the table
  std::optional<int64_t> FindId(std::string_view id) const;
  // The same number, 0 or more, for the same identity; -1 where it is unknown.
  int32_t identity_number(int64_t row) const {
    return static_cast<int32_t>(identities_.code(row)) - 1;
  }
  std::optional<int32_t> FindIdentity(std::string_view identity) const;

  // Rows whose items match, as Matches (common/filter.h) says.
  RowSet Matching(const Filter& filter) const;
  // Adds what those rows have as `field` (not id).
  void CountValues(std::string_view field, const RowSet& rows, ValueCounts& counts) const;

  uint64_t memory_bytes() const;

 private:
  friend class ItemTableBuilder;
  ItemTable(Column ids, StringIndex row_of_id, Column identities, std::optional<Column> paths,
            std::map<std::string, Column> metadata);

  RowSet MatchingCondition(const Filter& condition) const;
  std::optional<RowSet> MatchingIds(const Filter& condition) const;
  const Column* Find(const std::string& field) const;  // null where no item has it
  const Column& paths() const { return paths_ ? *paths_ : ids_; }

  Column ids_;
  StringIndex row_of_id_;
  Column identities_;
  std::optional<Column> paths_;  // none: each path is the id
  std::map<std::string, Column> metadata_;
};

// Makes a table without holding its items. Not thread-safe.
class ItemTableBuilder {
 public:
  ItemTableBuilder();

  // Throws InvalidArgument for an id that is empty or there already, and for metadata called like
  // another field; what is built then is of no more use.
  void Add(const Item& item);

  // The same in parts: a row, then its fields, known by a number so that none is looked up a row.
  using Field = size_t;
  static constexpr Field kIdentity = 0, kPath = 1;
  Field Metadata(const std::string& name);
  void AddRow(std::string_view id);
  void Set(Field field, std::string_view value);  // of the last row; at most once each

  ItemTable Finish() &&;

 private:
  int64_t rows() const { return static_cast<int64_t>(ids_.size()); }
  void SetPath(std::string_view path);
  void KeepPaths();

  StringArena ids_;
  StringIndex row_of_id_;
  std::vector<ColumnBuilder> columns_;  // by Field
  std::map<std::string, Field> metadata_;
  int64_t paths_as_ids_ =
      0;  // in so many rows, from the first, the path is the id; -1: all are kept
};

// The items of items.csv's `text`, as ReadItems reads them (common/item.h); `name` stands in error
// messages.
ItemTable ReadItemTable(std::string_view text, std::string_view name);

}  // namespace fluke
