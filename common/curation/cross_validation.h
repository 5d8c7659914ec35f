// The manifests and the sums of a cross-validation.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/curation/split_kinds.h"
#include "common/manifest.h"

namespace fluke {

// Divides the items into request.shares.size() folds by a kind of split; those whose split is test
// stay test, those that the kind has no place for have none.
void DivideIntoFolds(std::string_view kind, const SplitRequest& request,
                     std::vector<ManifestItem>* items);

// The manifest that trains fold `fold`: its items are val, those of other folds train, others as
// they are.
std::vector<ManifestItem> FoldManifest(const std::vector<ManifestItem>& items, int fold);

// Of the values of a metric over folds; deviation: of a sample, n - 1; 0 of one fold.
struct FoldSummary {
  double mean = 0, deviation = 0, least = 0, most = 0;
};
FoldSummary SummariseFolds(std::span<const double> values);

}  // namespace fluke
