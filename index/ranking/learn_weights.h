// How much each model of a concatenated embedding should count, learned from photographs with known
// identities: those that the models were not trained on, and that nothing is evaluated on.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace fluke::ranking {

struct LearnedWeights {
  std::vector<double> weights;  // a part, adding up to 1
  double metric = 0;            // with them
  double metric_before = 0;     // with all the same
};

// vectors: identities.size() x sum of `dimensions`; identities: negative = unknown; metric: of
// common/metrics/retrieval.h, leave-one-out. Weights are changed one at a time by factors of 8, 2.8
// and 1.7 as long as the metric rises. Throws InvalidArgument for parts that do not fit.
LearnedWeights LearnWeights(std::span<const float> vectors, std::span<const int64_t> identities,
                            std::span<const int64_t> dimensions, const std::string& metric);

}  // namespace fluke::ranking
