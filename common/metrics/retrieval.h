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

#include "common/metrics/report.h"

namespace fluke {

// One query: the identities of its ranked gallery items (best first, the query itself already left
// out), its own identity, and how many gallery items in all are relevant (same identity, the query
// itself not counted).
struct RankedQuery {
  int64_t identity = 0;  // negative: unknown
  std::span<const int64_t> ranked;
  int64_t relevant = 0;   // kUnknownRelevant where only the ranking is at hand
  bool complete = false;  // a finished list (a submission): what is not ranked was never found
};

inline constexpr int64_t kUnknownRelevant = -1;

struct MetricRow {
  std::string_view name;  // as asked for, with "@k" where it takes a depth
  bool takes_depth;
  bool full_ranking;  // may need any number of places to tell
  // 0..1 for a query with a relevant item; nothing when the ranking is too short to tell (never,
  // once all relevant items are in it).
  std::optional<double> (*per_query)(const RankedQuery& query, int64_t depth);
  std::string_view help;
};

// In measures.cc.
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

// Means of `names` ("recall@1", "map@r", ...) over the queries. Throws InvalidArgument for an
// unknown name or where a query's ranking is too short to tell.
MetricReport EvaluateRetrieval(std::span<const RankedQuery> queries,
                               std::span<const std::string> names);

}  // namespace fluke
