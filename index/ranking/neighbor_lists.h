// The nearest others of every item of a gallery: the graph that re-ranking walks on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/ranking/gallery.h"

namespace fluke::ranking {

struct NearRow {
  int32_t row = 0;
  float score = 0;  // cosine
};

// Immutable; thread-safe. Memory: rows x k x 8 bytes, never rows x rows.
class NeighborLists {
 public:
  // Searches the whole gallery, some rows at a time. Throws InvalidArgument beyond 2^31 rows.
  NeighborLists(const Gallery& gallery, int64_t k);

  int64_t k() const { return k_; }
  // The k nearest of `row`, itself not among them, best first; fewer where there are fewer.
  std::span<const NearRow> Of(int64_t row) const {
    const size_t begin = static_cast<size_t>(row * k_);
    return std::span(lists_).subspan(begin, static_cast<size_t>(counts_[static_cast<size_t>(row)]));
  }

 private:
  int64_t k_;
  std::vector<NearRow> lists_;   // RowLimit x k
  std::vector<int32_t> counts_;  // RowLimit
};

}  // namespace fluke::ranking
