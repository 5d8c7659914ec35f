// One photograph as embeddings, indexes and answers know it: a row of items.csv.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/csv.h"

namespace fluke {

struct Item {
  std::string id;  // unique in an index; the manifest's path unless the manifest has an `id` column
  std::string identity;                         // "" = unknown
  std::string path;                             // as in the manifest
  std::map<std::string, std::string> metadata;  // an empty value is the same as none
};

// Throws InvalidArgument, naming the item, where metadata has no name or that of another field.
void CheckMetadataNames(const Item& item);

// items.csv: columns id, identity, path, then metadata columns in alphabetical order; one row a
// vector, in the vectors' order. Only `id` must be there when reading. Both throw InvalidArgument
// for an empty or repeated id.
std::vector<Item> ReadItems(const std::filesystem::path& csv);
std::string ItemsToCsv(const std::vector<Item>& items);

// items.csv one item after another, for more items than one wants to hold. Whether ids repeat is
// for the caller to find out. `text` and `name`, which stands in errors, must outlive it.
class ItemReader {
 public:
  ItemReader(std::string_view text, std::string_view name);
  bool Next(Item* item);  // false at the end
  int64_t line() const { return row_.line; }

 private:
  CsvReader reader_;
  std::string_view name_;
  int id_ = -1, identity_ = -1, path_ = -1;  // their columns
  CsvRow row_;
};

// The lines of items.csv: the header's columns are known once every item was shown.
class ItemLines {
 public:
  void Show(const Item& item);  // throws as CheckMetadataNames
  std::string Header() const;
  std::string Line(const Item& item) const;

 private:
  std::set<std::string> columns_;  // of metadata
};

}  // namespace fluke
