// One photograph as embeddings, indexes and answers know it: a row of items.csv.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

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

}  // namespace fluke
