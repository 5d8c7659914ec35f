// The exact search: every row is scored, the best k stay.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/vector_index.h"
#include "index/best_k.h"
#include "index/similarity.h"

namespace fluke {

// queries: n x dimension, rows: m x dimension, sound and normalised (similarity.h). exclude_rows:
// empty or one a query, -1 = none. Result i holds min(k, m - excluded) neighbours, best first: the
// same for a query alone and in a batch, and for any number of threads.
std::vector<std::vector<Neighbor>> ScanExactly(Similarity similarity,
                                               std::span<const float> queries,
                                               std::span<const float> rows, int64_t dimension,
                                               int64_t k, std::span<const int64_t> exclude_rows);

}  // namespace fluke
