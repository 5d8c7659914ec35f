#include "common/item.h"

#include <cstdint>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "common/csv.h"
#include "common/error.h"

namespace fluke {
namespace {

bool IsOwnColumn(std::string_view column) {
  return column == "id" || column == "identity" || column == "path";
}

}  // namespace

void CheckMetadataNames(const Item& item) {
  for (const auto& [name, value] : item.metadata) {
    if (name.empty() || IsOwnColumn(name)) {
      InvalidArgument("item '", item.id, "': '", name, "' cannot be the name of metadata");
    }
  }
}

std::vector<Item> ReadItems(const std::filesystem::path& csv) {
  CsvTable table = ReadCsv(csv);
  const int id = table.Column("id"), identity = table.Column("identity"),
            path = table.Column("path");
  if (id < 0) {
    InvalidArgument(csv, ":1: no column 'id'; found ", StrJoin(table.header, ", "));
  }
  std::vector<Item> items;
  items.reserve(table.rows.size());
  std::unordered_map<std::string, int64_t> line_of_id;
  for (CsvRow& row : table.rows) {
    Item item;
    for (size_t column = 0; column < row.fields.size(); ++column) {
      std::string& value = row.fields[column];
      const std::string& name = table.header[column];
      if (static_cast<int>(column) == id) {
        item.id = std::move(value);
      } else if (static_cast<int>(column) == identity) {
        item.identity = std::move(value);
      } else if (static_cast<int>(column) == path) {
        item.path = std::move(value);
      } else if (!name.empty() && !value.empty()) {
        item.metadata.emplace(name, std::move(value));
      }
    }
    if (item.id.empty()) InvalidArgument(csv, ":", row.line, ": empty id");
    const auto [first, is_new] = line_of_id.emplace(item.id, row.line);
    if (!is_new) {
      InvalidArgument(csv, ":", row.line, ": id '", item.id, "' stands in line ", first->second,
                      " already; ids must be unique");
    }
    items.push_back(std::move(item));
  }
  return items;
}

std::string ItemsToCsv(const std::vector<Item>& items) {
  std::set<std::string> columns;
  std::unordered_map<std::string_view, size_t> row_of_id;
  for (size_t row = 0; row < items.size(); ++row) {
    const Item& item = items[row];
    if (item.id.empty()) InvalidArgument("item ", row, " has an empty id");
    const auto [first, is_new] = row_of_id.emplace(item.id, row);
    if (!is_new) {
      InvalidArgument("items ", first->second, " and ", row, " have the same id '", item.id,
                      "'; ids must be unique");
    }
    CheckMetadataNames(item);
    for (const auto& [name, value] : item.metadata) columns.insert(name);
  }

  std::vector<std::string> fields = {"id", "identity", "path"};
  fields.insert(fields.end(), columns.begin(), columns.end());
  std::string csv = CsvLine(fields);
  for (const Item& item : items) {
    fields = {item.id, item.identity, item.path};
    for (const std::string& column : columns) {
      const auto found = item.metadata.find(column);
      fields.push_back(found == item.metadata.end() ? "" : found->second);
    }
    csv += CsvLine(fields);
  }
  return csv;
}

}  // namespace fluke
