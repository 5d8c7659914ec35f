#include "common/curation/cross_validation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fluke {

void DivideIntoFolds(std::string_view kind, const SplitRequest& request,
                     std::vector<ManifestItem>* items) {
  std::vector<ManifestItem> pool;
  for (const ManifestItem& item : *items) {
    if (item.split != "test") pool.push_back(item);
  }
  DivideItems(kind, request, &pool);
  size_t next = 0;
  for (ManifestItem& item : *items) {
    if (item.split != "test") item.split = pool[next++].split;
  }
}

std::vector<ManifestItem> FoldManifest(const std::vector<ManifestItem>& items, int fold) {
  std::vector<ManifestItem> divided = items;
  const std::string held_out = std::to_string(fold);
  for (ManifestItem& item : divided) {
    if (item.split.empty() || item.split == "test") continue;
    item.split = item.split == held_out ? "val" : "train";
  }
  return divided;
}

FoldSummary SummariseFolds(std::span<const double> values) {
  if (values.empty()) return {};
  const double n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (double value : values) squares += (value - mean) * (value - mean);
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return {mean, values.size() > 1 ? std::sqrt(squares / (n - 1)) : 0, *least, *most};
}

}  // namespace fluke
