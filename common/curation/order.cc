#include "common/curation/order.h"

#include <unordered_map>
#include <utility>

#include "common/curation/columns.h"
#include "common/split.h"

namespace fluke {

std::vector<std::string> OrderNames(std::vector<std::string> names, std::optional<uint64_t> seed) {
  return seed ? OrderBySeed(std::move(names), *seed) : OrderBySha1(std::move(names));
}

std::vector<size_t> ItemsInOrder(const std::vector<ManifestItem>& items,
                                 std::optional<uint64_t> seed) {
  std::unordered_map<std::string, size_t> item_of;
  std::vector<std::string> keys;
  for (size_t i = 0; i < items.size(); ++i) {
    keys.push_back(ItemKey(items[i]));
    item_of.emplace(keys.back(), i);
  }
  std::vector<size_t> order;
  for (const std::string& key : OrderNames(std::move(keys), seed)) order.push_back(item_of.at(key));
  return order;
}

}  // namespace fluke
