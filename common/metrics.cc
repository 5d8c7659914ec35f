#include "common/metrics.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "common/error.h"
#include "common/table.h"

namespace fluke {
namespace {

// The first min(depth, ranked) places.
std::span<const int64_t> Top(const RankedQuery& query, int64_t depth) {
  return query.ranked.first(std::min(static_cast<size_t>(depth), query.ranked.size()));
}

bool RankedTo(const RankedQuery& query, int64_t depth) {
  return static_cast<int64_t>(query.ranked.size()) >= depth;
}

// 1-based place of the first relevant item in the first `depth`, or 0.
int64_t FirstHit(const RankedQuery& query, int64_t depth) {
  const auto top = Top(query, depth);
  const auto hit = std::find(top.begin(), top.end(), query.identity);
  return hit == top.end() ? 0 : hit - top.begin() + 1;
}

std::optional<double> RecallAtK(const RankedQuery& query, int64_t k) {
  if (FirstHit(query, k) > 0) return 1;
  if (RankedTo(query, k)) return 0;
  return std::nullopt;
}

std::optional<double> PrecisionAtK(const RankedQuery& query, int64_t k) {
  const auto top = Top(query, k);
  const int64_t hits = std::count(top.begin(), top.end(), query.identity);
  if (!RankedTo(query, k) && hits != query.relevant) return std::nullopt;
  return static_cast<double>(hits) / static_cast<double>(k);
}

// AP@k = 1 / min(relevant, k) * sum over i <= k of precision@i * [item i is relevant].
std::optional<double> MapAtK(const RankedQuery& query, int64_t k) {
  if (query.relevant == kUnknownRelevant) return std::nullopt;
  int64_t hits = 0, place = 0;
  double sum = 0;
  for (int64_t identity : Top(query, k)) {
    ++place;
    if (identity == query.identity) sum += static_cast<double>(++hits) / static_cast<double>(place);
  }
  if (!RankedTo(query, k) && hits != query.relevant) return std::nullopt;
  return sum / static_cast<double>(std::min(query.relevant, k));
}

std::optional<double> MapAtR(const RankedQuery& query, int64_t) {
  if (query.relevant == kUnknownRelevant) return std::nullopt;
  return MapAtK(query, query.relevant);
}

std::optional<double> RPrecision(const RankedQuery& query, int64_t) {
  if (query.relevant == kUnknownRelevant) return std::nullopt;
  return PrecisionAtK(query, query.relevant);
}

std::optional<double> Mrr(const RankedQuery& query, int64_t) {
  const int64_t place = FirstHit(query, static_cast<int64_t>(query.ranked.size()));
  if (place == 0) return std::nullopt;
  return 1.0 / static_cast<double>(place);
}

std::optional<double> MrrAtK(const RankedQuery& query, int64_t k) {
  const int64_t place = FirstHit(query, k);
  if (place > 0) return 1.0 / static_cast<double>(place);
  if (RankedTo(query, k)) return 0;
  return std::nullopt;
}

std::optional<double> KaggleMapAtK(const RankedQuery& query, int64_t k) {
  std::vector<int64_t> different;
  for (int64_t identity : query.ranked) {
    if (std::find(different.begin(), different.end(), identity) != different.end()) continue;
    different.push_back(identity);
    if (identity == query.identity) return 1.0 / static_cast<double>(different.size());
    if (static_cast<int64_t>(different.size()) == k) return 0;
  }
  return std::nullopt;
}

constexpr MetricRow kRetrievalMetrics[] = {
    {"recall@k", true, RecallAtK,
     "hit rate: 1 if any of the first k is relevant (metric-learning usage, PML's precision@1 for "
     "k 1)"},
    {"precision@k", true, PrecisionAtK, "relevant ones among the first k, divided by k"},
    {"map@k", true, MapAtK,
     "average precision of the first k, divided by min(relevant, k) (Landmark's rule; AP of "
     "trec_eval for a k that "
     "holds all)"},
    {"map@r", false, MapAtR,
     "MAP@R: average precision of the first R = number of relevant items, divided by R (PML)"},
    {"r_precision", false, RPrecision,
     "relevant ones among the first R = number of relevant items, divided by R (PML, trec_eval)"},
    {"mrr", false, Mrr, "mean reciprocal rank of the first relevant item in the full ranking"},
    {"mrr@k", true, MrrAtK, "as mrr, 0 where none of the first k is relevant"},
    {"cmc@k", true, RecallAtK,
     "cumulative matching characteristic: 1 if any of the first k is relevant (re-identification "
     "usage)"},
    {"kaggle_map@k", true, KaggleMapAtK,
     "Kaggle humpback MAP@k: 1/place of the own identity among the first k different identities"},
};

// "recall@5" -> row "recall@k", depth 5; "map@r" -> row "map@r", depth 0.
AskedMetric ParseMetric(const std::string& name) {
  for (const MetricRow& row : kRetrievalMetrics) {
    if (!row.takes_depth && row.name == name) return {name, &row, 0};
  }
  const size_t at = name.rfind('@');
  const std::string stem = name.substr(0, at);
  for (const MetricRow& row : kRetrievalMetrics) {
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
                              Names(std::span(kRetrievalMetrics))));
}

[[noreturn]] void ThrowTooShort(const AskedMetric& metric, const RankedQuery& query,
                                size_t number) {
  if (query.relevant == kUnknownRelevant &&
      metric.row->per_query({query.identity, query.ranked,
                             static_cast<int64_t>(std::count(query.ranked.begin(),
                                                             query.ranked.end(), query.identity))},
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

std::span<const MetricRow> RetrievalMetrics() { return kRetrievalMetrics; }

std::vector<AskedMetric> ParseMetrics(std::span<const std::string> names) {
  if (names.empty()) InvalidArgument("no metric is asked for");
  std::vector<AskedMetric> asked;
  for (const std::string& name : names) asked.push_back(ParseMetric(name));
  return asked;
}

MetricReport EvaluateRetrieval(std::span<const RankedQuery> queries,
                               std::span<const std::string> names) {
  const std::vector<AskedMetric> asked = ParseMetrics(names);
  std::vector<double> sums(asked.size());
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
    ++report.queries;
    for (size_t m = 0; m < asked.size(); ++m) {
      const std::optional<double> value = asked[m].row->per_query(query, asked[m].depth);
      if (!value) ThrowTooShort(asked[m], query, q);
      sums[m] += *value;
    }
  }
  for (size_t m = 0; m < asked.size(); ++m) {
    const double mean = report.queries == 0 ? 0 : sums[m] / static_cast<double>(report.queries);
    report.metrics.push_back({asked[m].name, mean});
  }
  return report;
}

}  // namespace fluke
