#include "common/metrics/retrieval.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "common/error.h"
#include "common/table.h"

namespace fluke {
namespace {

// "recall@5" -> row "recall@k", depth 5; "map@r" -> row "map@r", depth 0.
AskedMetric ParseMetric(const std::string& name) {
  for (const MetricRow& row : RetrievalMetrics()) {
    if (!row.takes_depth && row.name == name) return {name, &row, 0};
  }
  const size_t at = name.rfind('@');
  const std::string stem = name.substr(0, at);
  for (const MetricRow& row : RetrievalMetrics()) {
    if (!row.takes_depth || row.name.substr(0, row.name.find('@')) != stem) continue;
    int64_t depth = 0;
    const std::string digits = at == std::string::npos ? "" : name.substr(at + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), depth);
    if (error != std::errc() || end != digits.data() + digits.size() || depth < 1 ||
        depth > INT32_MAX) {
      InvalidArgument("metric '", name, "': expected a depth of at least 1, as in ", stem, "@5");
    }
    return {name, &row, depth};
  }
  InvalidArgument(UnknownName("metric", at == std::string::npos ? name : stem + "@k",
                              Names(RetrievalMetrics())));
}

[[noreturn]] void ThrowTooShort(const AskedMetric& metric, const RankedQuery& query,
                                size_t number) {
  if (query.relevant == kUnknownRelevant &&
      metric.row->per_query(
          {.identity = query.identity,
           .ranked = query.ranked,
           .relevant = std::count(query.ranked.begin(), query.ranked.end(), query.identity)},
          metric.depth)) {
    InvalidArgument(
        "metric '", metric.name,
        "' needs to know how many items of the gallery are relevant to a query, which a "
        "ranking alone does not tell");
  }
  InvalidArgument("metric '", metric.name, "': query ", number + 1, " ranks only ",
                  query.ranked.size(),
                  " items, too few to tell; rank deeper or ask for a smaller depth");
}

}  // namespace

std::vector<AskedMetric> ParseMetrics(std::span<const std::string> names) {
  if (names.empty()) InvalidArgument("no metric is asked for");
  std::vector<AskedMetric> asked;
  for (const std::string& name : names) asked.push_back(ParseMetric(name));
  return asked;
}

MetricReport EvaluateRetrieval(std::span<const RankedQuery> queries,
                               std::span<const std::string> names) {
  const std::vector<AskedMetric> asked = ParseMetrics(names);
  MetricReport report;
  for (size_t q = 0; q < queries.size(); ++q) {
    const RankedQuery& query = queries[q];
    if (query.identity < 0 || query.relevant == 0) {
      ++report.dropped_queries;
      continue;
    }
    const int64_t hits = std::count(query.ranked.begin(), query.ranked.end(), query.identity);
    if (query.relevant != kUnknownRelevant && hits > query.relevant) {
      InvalidArgument("query ", q + 1, " ranks ", hits,
                      " relevant items, but the gallery is said to hold ", query.relevant);
    }
    report.counted.push_back(static_cast<int64_t>(q));
    for (const AskedMetric& metric : asked) {
      const std::optional<double> value = metric.row->per_query(query, metric.depth);
      if (!value) ThrowTooShort(metric, query, q);
      report.values.push_back(*value);
    }
  }
  SetMeans(names, &report);
  return report;
}

}  // namespace fluke
