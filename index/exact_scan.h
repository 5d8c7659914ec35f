// The exact search: every row is scored, the best k stay.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/vector_index.h"
#include "index/search_scope.h"
#include "index/similarity.h"

namespace fluke {

// queries: n x dimension, rows: m x dimension, sound and normalised (similarity.h). Result i holds
// min(k, rows that may be found) neighbours, best first: the same for a query alone and in a batch,
// and for any number of threads.
std::vector<std::vector<Neighbor>> ScanExactly(Similarity similarity,
                                               std::span<const float> queries,
                                               std::span<const float> rows, int64_t dimension,
                                               int64_t k, const SearchScope& scope = {});

}  // namespace fluke
