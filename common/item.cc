#include "common/item.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "common/error.h"
#include "common/files.h"

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
  const MappedFile file(csv);
  const std::string name = csv.string();
  ItemReader reader(file.text(), name);
  std::vector<Item> items;
  std::unordered_map<std::string, int64_t> line_of_id;
  for (Item item; reader.Next(&item);) {
    const auto [first, is_new] = line_of_id.emplace(item.id, reader.line());
    if (!is_new) {
      InvalidArgument(name, ":", reader.line(), ": id '", item.id, "' stands in line ",
                      first->second, " already; ids must be unique");
    }
    items.push_back(std::move(item));
  }
  return items;
}

std::string ItemsToCsv(const std::vector<Item>& items) {
  ItemLines lines;
  std::unordered_map<std::string_view, size_t> row_of_id;
  for (size_t row = 0; row < items.size(); ++row) {
    const Item& item = items[row];
    if (item.id.empty()) InvalidArgument("item ", row, " has an empty id");
    const auto [first, is_new] = row_of_id.emplace(item.id, row);
    if (!is_new) {
      InvalidArgument("items ", first->second, " and ", row, " have the same id '", item.id,
                      "'; ids must be unique");
    }
    lines.Show(item);
  }
  std::string csv = lines.Header();
  for (const Item& item : items) csv += lines.Line(item);
  return csv;
}

ItemReader::ItemReader(std::string_view text, std::string_view name)
    : reader_(text, name), name_(name) {
  const std::vector<std::string>& header = reader_.header();
  const auto column = [&](std::string_view called) {
    const auto found = std::find(header.begin(), header.end(), called);
    return found == header.end() ? -1 : static_cast<int>(found - header.begin());
  };
  id_ = column("id");
  identity_ = column("identity");
  path_ = column("path");
  if (id_ < 0) InvalidArgument(name, ":1: no column 'id'; found ", StrJoin(header, ", "));
}

bool ItemReader::Next(Item* item) {
  if (!reader_.Next(&row_)) return false;
  *item = {};
  for (size_t i = 0; i < row_.fields.size(); ++i) {
    std::string& value = row_.fields[i];
    const std::string& name = reader_.header()[i];
    const int column = static_cast<int>(i);
    if (column == id_) {
      item->id = std::move(value);
    } else if (column == identity_) {
      item->identity = std::move(value);
    } else if (column == path_) {
      item->path = std::move(value);
    } else if (!name.empty() && !value.empty()) {
      item->metadata.emplace(name, std::move(value));
    }
  }
  if (item->id.empty()) InvalidArgument(name_, ":", row_.line, ": empty id");
  return true;
}

void ItemLines::Show(const Item& item) {
  CheckMetadataNames(item);
  for (const auto& [name, value] : item.metadata) columns_.insert(name);
}

std::string ItemLines::Header() const {
  std::vector<std::string> fields = {"id", "identity", "path"};
  fields.insert(fields.end(), columns_.begin(), columns_.end());
  return CsvLine(fields);
}

std::string ItemLines::Line(const Item& item) const {
  std::vector<std::string> fields = {item.id, item.identity, item.path};
  for (const std::string& column : columns_) {
    const auto found = item.metadata.find(column);
    fields.push_back(found == item.metadata.end() ? "" : found->second);
  }
  return CsvLine(fields);
}

}  // namespace fluke
