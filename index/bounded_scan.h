// The exact search by bounds: 8-bit codes (row_codes.h) give every row's score a lower and an upper
// bound; only rows whose upper bound reaches the k-th best lower bound are scored from their
// vectors. The outcome is ScanExactly's, bit for bit (exact_scan.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/vector_index.h"
#include "index/code_kernels.h"
#include "index/row_codes.h"
#include "index/search_scope.h"
#include "index/similarity.h"

namespace fluke {

// As ScanExactly; `codes` are of these rows. rescored: null, or counts the rows that were scored
// from their vectors, over all queries.
std::vector<std::vector<Neighbor>> ScanByBounds(const RowCodes& codes, const CodeKernel& kernel,
                                                Similarity similarity,
                                                std::span<const float> queries,
                                                std::span<const float> rows, int64_t dimension,
                                                int64_t k, const SearchScope& scope = {},
                                                int64_t* rescored = nullptr);

}  // namespace fluke
