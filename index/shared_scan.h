// Many queries that ask for many rows each, not for the same ones: a part of the rows is brought to
// the cache once for all of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/best_k.h"
#include "index/similarity.h"

namespace fluke {

struct AskedRows {
  explicit AskedRows(int64_t k) : best(k) {}

  const float* query = nullptr;  // `dimension` values
  std::vector<int64_t> rows;     // to be scored, ascending
  BestK best;                    // of other rows; afterwards of these too
};

// rows: of `dimension` values each. Uses all threads.
void ScanShared(Similarity similarity, std::span<const float> rows, int64_t dimension,
                std::span<AskedRows> asked);

}  // namespace fluke
