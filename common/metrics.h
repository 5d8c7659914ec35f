// Retrieval metrics by the exact rules of their sources, each one row of RetrievalMetrics().
//
// A query without any relevant item is dropped from every mean (PML's rule), as is one whose
// identity is unknown (negative); how many were dropped is reported. Unknown items of the gallery
// rank as wrong answers; all of them count as one identity where identities are ranked
// (kaggle_map@k), like Kaggle's new_whale.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fluke {

// One query: the identities of its ranked gallery items (best first, the query itself already left
// out), its own identity, and how many gallery items in all are relevant (same identity, the query
// itself not counted).
struct RankedQuery {
  int64_t identity = 0;  // negative: unknown
  std::span<const int64_t> ranked;
  int64_t relevant = 0;  // kUnknownRelevant where only the ranking is at hand
};

inline constexpr int64_t kUnknownRelevant = -1;

struct MetricRow {
  std::string_view name;  // as asked for, with "@k" where it takes a depth
  bool takes_depth;
  // 0..1 for a query with a relevant item; nothing when the ranking is too short to tell (never,
  // once all relevant items are in it).
  std::optional<double> (*per_query)(const RankedQuery& query, int64_t depth);
  std::string_view help;
};

std::span<const MetricRow> RetrievalMetrics();

// A metric by name with its depth: "recall@5" is {row of recall@k, 5}.
struct AskedMetric {
  std::string name;
  const MetricRow* row = nullptr;
  int64_t depth = 0;  // 0 where the metric takes none
};

// Throws InvalidArgument for an unknown name (with a suggestion), a missing or impossible depth, or
// no name at all.
std::vector<AskedMetric> ParseMetrics(std::span<const std::string> names);

struct MetricResult {
  std::string name;  // "recall@5"
  double value = 0;
};

struct MetricReport {
  std::vector<MetricResult> metrics;  // 0 when no query counted
  int64_t queries = 0;                // that counted
  int64_t dropped_queries = 0;        // with no relevant item in the gallery, or unknown themselves
};

// Means of `names` ("recall@1", "map@r", ...) over the queries. Throws InvalidArgument for an
// unknown name or where a query's ranking is too short to tell.
MetricReport EvaluateRetrieval(std::span<const RankedQuery> queries,
                               std::span<const std::string> names);

// vectors: identities.size() x d, unit rows; identities: negative = unknown.
struct LabelledVectors {
  std::span<const float> vectors;
  std::span<const int64_t> identities;
};

// Every query against the whole gallery by inner product, ties by gallery row. `own_rows`: empty,
// or one a query: the gallery row that is the query itself and is left out, -1 for none. Ranks only
// as deep as the metrics need. The values do not depend on the number of threads. Memory: up to 64
// x n floats (at most about 64 MB where n < 1M) and n int64 per worker, never n x n.
MetricReport EvaluateSearch(const LabelledVectors& queries, const LabelledVectors& gallery,
                            int64_t d, std::span<const int64_t> own_rows,
                            std::span<const std::string> names);

// Leave-one-out: every row of `embeddings` (n x d, unit rows) against all others.
MetricReport EvaluateLeaveOneOut(std::span<const float> embeddings, int64_t n, int64_t d,
                                 std::span<const int64_t> identities,
                                 std::span<const std::string> names);

}  // namespace fluke
