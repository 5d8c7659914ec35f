// Scores of pairs: of the same individual, and of different ones.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/metrics/search.h"

namespace fluke {

struct PairScores {
  std::vector<float> same;
  std::vector<float> different;
  bool is_sample = false;  // not all pairs of different individuals
};

// Every query with every gallery item that it may find, both of known identity, by inner product.
// Beyond `most` pairs of different individuals, as many gallery items are drawn for each query as
// keep about to that number. vectors: labels' x d.
PairScores ScorePairs(std::span<const float> queries, std::span<const float> gallery, int64_t d,
                      const SearchLabels& labels, int64_t most, uint64_t seed);

}  // namespace fluke
