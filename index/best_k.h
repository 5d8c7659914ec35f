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

  int64_t k() const { return static_cast<int64_t>(k_); }

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

  std::vector<Neighbor> Sorted() const {
    std::vector<Neighbor> sorted = heap_;
    std::sort(sorted.begin(), sorted.end(), Better);
    return sorted;
  }

 private:
  size_t k_;
  std::vector<Neighbor> heap_;
};

}  // namespace fluke
