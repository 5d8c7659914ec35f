// The order of neighbours, and the best of many.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "common/vector_index.h"

namespace fluke {

// Better score first; equal scores by row.
inline bool Better(const Neighbor& a, const Neighbor& b) {
  return a.score != b.score ? a.score > b.score : a.row < b.row;
}

// The best k seen so far, the worst of them on top.
class BestK {
 public:
  explicit BestK(int64_t k) : k_(static_cast<size_t>(k)) { heap_.reserve(k_); }

  // Rows that score below this cannot enter.
  float threshold() const {
    return heap_.size() < k_ ? -std::numeric_limits<float>::infinity() : heap_.front().score;
  }

  void Offer(const Neighbor& candidate) {
    if (heap_.size() == k_) {
      if (!Better(candidate, heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end(), Better);
      heap_.back() = candidate;
    } else {
      heap_.push_back(candidate);
    }
    std::push_heap(heap_.begin(), heap_.end(), Better);
  }

  const std::vector<Neighbor>& kept() const { return heap_; }

 private:
  size_t k_;
  std::vector<Neighbor> heap_;
};

// Fetches a vector that will be scored soon.
inline void FetchVector(const float* vector, int64_t dimension) {
  const auto* line = reinterpret_cast<const char*>(vector);
  for (int64_t i = 0; i < 4 * dimension; i += 64) __builtin_prefetch(line + i);
}

}  // namespace fluke
