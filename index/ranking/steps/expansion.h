// The weighted mean that query expansion and database augmentation share.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "index/ranking/gallery.h"

namespace fluke::ranking {

// vector (weight 1) + sum over `neighbors` of max(score, 0)^alpha * their vectors, at unit length;
// alpha 0: each counts as much as `vector`. Scores are cosines with `vector`.
inline std::vector<float> Expanded(std::span<const float> vector,
                                   std::span<const Neighbor> neighbors, double alpha,
                                   const Gallery& gallery, int64_t without) {
  std::vector<double> sum(vector.begin(), vector.end());
  std::vector<float> other(vector.size());
  for (const Neighbor& neighbor : neighbors) {
    const double weight = alpha == 0 ? 1 : std::pow(std::max(neighbor.score, 0.0f), alpha);
    gallery.CopyVector(neighbor.row, without, other.data());
    for (size_t j = 0; j < sum.size(); ++j) sum[j] += weight * other[j];
  }
  std::vector<float> expanded(sum.begin(), sum.end());
  ToUnitLength(expanded);
  return expanded;
}

}  // namespace fluke::ranking
