// Ranking every query against a gallery and measuring the rankings block by block, only as deep as
// the metrics asked for need it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "common/metrics/report.h"
#include "common/vector_index.h"

namespace fluke {

// vectors: identities.size() x d, unit rows; identities: negative = unknown.
struct LabelledVectors {
  std::span<const float> vectors;
  std::span<const int64_t> identities;
};

// Who stands where, without vectors. Identities: negative = unknown. Cameras are empty on both
// sides, or one each: the gallery items of a query's own identity and camera are left out as if
// they were not there (the camera-aware protocol of re-identification; negative = none known, and
// nothing is left out).
struct SearchLabels {
  std::span<const int64_t> queries;
  std::span<const int64_t> gallery;
  // Empty, or one a query: the gallery row that is the query itself and is left out, -1 for none.
  std::span<const int64_t> own_rows = {};
  std::span<const int64_t> query_cameras = {};
  std::span<const int64_t> gallery_cameras = {};
};

// Every query against the whole gallery by inner product, ties by gallery row. Ranks only as deep
// as the metrics need. The values do not depend on the number of threads. Memory: up to 64 x n
// floats (at most about 64 MB where n < 1M) and n int64 per worker, never n x n.
MetricReport EvaluateSearch(const LabelledVectors& queries, const LabelledVectors& gallery,
                            int64_t d, std::span<const int64_t> own_rows,
                            std::span<const std::string> names);
// As above; queries: labels.queries.size() x d, gallery: labels.gallery.size() x d.
MetricReport EvaluateSearch(std::span<const float> queries, std::span<const float> gallery,
                            int64_t d, const SearchLabels& labels,
                            std::span<const std::string> names);

// Leave-one-out: every row of `embeddings` (n x d, unit rows) against all others.
MetricReport EvaluateLeaveOneOut(std::span<const float> embeddings, int64_t n, int64_t d,
                                 std::span<const int64_t> identities,
                                 std::span<const std::string> names);

// Asks an index: min(k, gallery) nearest gallery rows of each of these queries (rows of the query
// table), best first.
using BlockSearch = std::function<std::vector<std::vector<Neighbor>>(
    std::span<const int64_t> query_rows, int64_t k)>;
struct StreamOptions {
  int64_t block_queries = 1024;
  std::function<void(int64_t queries)> progress = {};
};

// As EvaluateSearch, by an index that searches: queries go to it in blocks, those whose metrics
// cannot be told from their first neighbours again and deeper, and no more than a block's
// neighbours are held at a time.
MetricReport EvaluateStreamed(const SearchLabels& labels, std::span<const std::string> names,
                              const BlockSearch& search, const StreamOptions& options = {});

// What is left of a query's neighbours once what labels leave out is taken out of them.
using NeighborVisitor = std::function<void(int64_t query_row, std::span<const Neighbor> neighbors)>;

// Every query of the table, dropped ones too, in its order: its k nearest (fewer where the gallery
// has no more).
void ForEachNeighbors(const SearchLabels& labels, int64_t k, const BlockSearch& search,
                      const NeighborVisitor& visit, const StreamOptions& options = {});

}  // namespace fluke
