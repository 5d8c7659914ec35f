// Retrieval metrics by the exact rules of their sources, each one row of kRetrievalMetrics.
//
// recall@k, precision@k, map@k, map@r, r_precision, mrr, cmc@k, map@5 of Kaggle's humpback (kaggle_map@5: the first k
// *different* identities are ranked). A query without any relevant item is dropped from every mean (PML's rule); how many
// were dropped is reported.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fluke {

// One query: the identities of its ranked gallery items (best first, the query itself already left out), its own identity,
// and how many gallery items in all are relevant (same identity, the query itself not counted).
struct RankedQuery {
  int64_t identity = 0;
  std::span<const int64_t> ranked;
  int64_t relevant = 0;
};

struct MetricRow {
  std::string_view name;  // as asked for, with "@k" where it takes a depth
  bool takes_depth;
  double (*per_query)(const RankedQuery& query, int64_t depth);
  std::string_view help;
};

std::span<const MetricRow> RetrievalMetrics();

struct MetricResult {
  std::string name;  // "recall@5"
  double value = 0;
};

struct MetricReport {
  std::vector<MetricResult> metrics;
  int64_t queries = 0;          // that counted
  int64_t dropped_queries = 0;  // with no relevant item in the gallery
};

// Means of `names` ("recall@1", "map@r", ...) over the queries. Throws InvalidArgument for an unknown name (with a
// suggestion) or a depth beyond what was ranked where that would change the value.
MetricReport EvaluateRetrieval(std::span<const RankedQuery> queries, std::span<const std::string> names);

// Leave-one-out: every row of `embeddings` (n x d, unit rows) against all others by inner product, full ranking, ties by
// row number. Memory: n int64 per worker, never n x n.
MetricReport EvaluateLeaveOneOut(std::span<const float> embeddings, int64_t n, int64_t d,
                                 std::span<const int64_t> identities, std::span<const std::string> names);

}  // namespace fluke
