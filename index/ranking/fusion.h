// Several rankings of the same items become one.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/vector_index.h"

namespace fluke::ranking {

struct WeightedRanking {
  std::vector<Neighbor> ranking;  // best first
  double weight = 1;
};

struct FusionScope {
  double k = 60;     // of reciprocal_rank
  size_t depth = 1;  // of the longest ranking: borda's number of candidates
};

struct FusionRow {
  std::string_view name;
  // What the item at `place` (from 0) adds to its fused score; what a ranking lacks adds nothing.
  double (*points)(std::span<const Neighbor> ranking, size_t place, const FusionScope& scope);
  std::string_view help;
};

// reciprocal_rank: Cormack, Clarke and Buettcher, SIGIR 2009; borda: Aslam and Montague, SIGIR
// 2001.
std::span<const FusionRow> FusionMethods();

// All items of any ranking, best first, equal scores by row. k: of reciprocal_rank.
std::vector<Neighbor> Fuse(std::span<const WeightedRanking> rankings, const FusionRow& method,
                           double k);

}  // namespace fluke::ranking
