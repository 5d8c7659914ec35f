// The approximate search over lists of row codes: the lists nearest to a query are visited, their
// rows estimated by 8-bit codes, the best of them scored from their vectors by the exact scan's
// kernel.
//
// A query is answered alone, on one thread, with the same bits whatever else is in the batch; a
// batch is spread over the threads.
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

struct ListScanOptions {
  int64_t k = 20;
  int64_t nprobe = 1;  // lists visited; more where those hold fewer than k rows
  int64_t refine = 8;  // rows scored from their vectors at most, times k
};

// As ScanExactly (exact_scan.h), but the neighbours are those found in the lists visited. `codes`
// are of these rows, in lists.
std::vector<std::vector<Neighbor>> ScanLists(const RowCodes& codes, const CodeKernel& kernel,
                                             Similarity similarity, std::span<const float> queries,
                                             std::span<const float> rows, int64_t dimension,
                                             const ListScanOptions& options,
                                             const SearchScope& scope = {});

}  // namespace fluke
