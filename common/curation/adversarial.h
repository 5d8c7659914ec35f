// Adversarial validation: can a classifier tell which photographs are of the test set? Where it
// can, training and test differ, and by what.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/curation/photo_features.h"
#include "common/manifest.h"

namespace fluke {

struct AdversarialOptions {
  std::string train_split = "train";
  std::string test_split = "test";
  int folds = 5;
  double c = 1;  // of FitLogistic, inverse of the penalty
  std::optional<uint64_t> seed = {};
};

// One feature by itself.
struct FeatureAuc {
  std::string name;
  double auc = .5;  // P(larger in test than in train); below .5: smaller in test
  double z = 0;     // standard deviations from .5 under no difference (Mann and Whitney)
  int64_t known = 0;
};

struct AdversarialReport {
  int64_t train = 0, test = 0;  // photographs
  // Of a logistic regression on all features, their squares and the embeddings' principal
  // directions, cross-validated; identities are kept whole, so that nobody is recognised. .5: no
  // difference can be told.
  double auc = .5;
  std::vector<FeatureAuc> features;  // most telling first
  // Out-of-fold probability that the item is of test; NaN for items of neither split or left out.
  std::vector<double> p_test;
};

// Items without features (an empty row) are left out. embeddings: rows of numbers beside those of
// `features`, one an item; empty: none; an item without one has an empty row. Throws
// InvalidArgument where a split has fewer identities than folds.
AdversarialReport CompareSplits(const std::vector<ManifestItem>& items,
                                const FeatureTable& features,
                                const std::vector<std::vector<float>>& embeddings,
                                const AdversarialOptions& options);

// Importance weights of the train items: the odds p / (1 - p) that the item is of test, clipped to
// [1 / most, most] times the prior odds, scaled to mean 1. NaN for other items and those left out.
std::vector<double> TrainWeights(const std::vector<ManifestItem>& items,
                                 const AdversarialReport& report, const AdversarialOptions& options,
                                 double most = 20);

// Train photographs most like test: the `share` of them with the largest p_test, or, where
// `whole_identities`, of identities by their mean p_test until the share is reached. One an item.
std::vector<bool> MatchedValidation(const std::vector<ManifestItem>& items,
                                    const AdversarialReport& report,
                                    const AdversarialOptions& options, double share,
                                    bool whole_identities);

}  // namespace fluke
