// The table of retrieval metrics: each is a few lines over one query's ranking.
#include <algorithm>
#include <cmath>

#include "common/metrics/retrieval.h"

namespace fluke {
namespace {

// The first min(depth, ranked) places.
std::span<const int64_t> Top(const RankedQuery& query, int64_t depth) {
  return query.ranked.first(std::min(static_cast<size_t>(depth), query.ranked.size()));
}

bool RankedTo(const RankedQuery& query, int64_t depth) {
  return query.complete || static_cast<int64_t>(query.ranked.size()) >= depth;
}

// 1-based place of the first relevant item in the first `depth`, or 0.
int64_t FirstHit(const RankedQuery& query, int64_t depth) {
  const auto top = Top(query, depth);
  const auto hit = std::find(top.begin(), top.end(), query.identity);
  return hit == top.end() ? 0 : hit - top.begin() + 1;
}

int64_t HitsWithin(const RankedQuery& query, int64_t depth) {
  const auto top = Top(query, depth);
  return std::count(top.begin(), top.end(), query.identity);
}

// Whether the first `depth` places tell what deeper ones would not change.
bool Decided(const RankedQuery& query, int64_t depth, int64_t hits) {
  return RankedTo(query, depth) || hits == query.relevant;
}

std::optional<double> RecallAtK(const RankedQuery& query, int64_t k) {
  if (FirstHit(query, k) > 0) return 1;
  if (RankedTo(query, k)) return 0;
  return std::nullopt;
}

std::optional<double> PrecisionAtK(const RankedQuery& query, int64_t k) {
  const int64_t hits = HitsWithin(query, k);
  if (!Decided(query, k, hits)) return std::nullopt;
  return static_cast<double>(hits) / static_cast<double>(k);
}

std::optional<double> FoundAtK(const RankedQuery& query, int64_t k) {
  if (query.relevant == kUnknownRelevant) return std::nullopt;
  const int64_t hits = HitsWithin(query, k);
  if (!Decided(query, k, hits)) return std::nullopt;
  return static_cast<double>(hits) / static_cast<double>(query.relevant);
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
  if (!Decided(query, k, hits)) return std::nullopt;
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

// Whether every relevant item that will ever be found is ranked.
bool AllFound(const RankedQuery& query) {
  return query.relevant != kUnknownRelevant &&
         (query.complete ||
          HitsWithin(query, static_cast<int64_t>(query.ranked.size())) == query.relevant);
}

std::optional<double> FullMap(const RankedQuery& query, int64_t) {
  if (!AllFound(query)) return std::nullopt;
  int64_t hits = 0;
  double sum = 0;
  for (size_t i = 0; i < query.ranked.size(); ++i) {
    if (query.ranked[i] == query.identity) {
      sum += static_cast<double>(++hits) / static_cast<double>(i + 1);
    }
  }
  return sum / static_cast<double>(query.relevant);
}

// The j-th hit (from 0) at place r (from 0) adds the mean of the precisions before and at it,
// j / r (1 where r is 0) and (j + 1) / (r + 1).
std::optional<double> TrapezoidMap(const RankedQuery& query, int64_t) {
  if (!AllFound(query)) return std::nullopt;
  double hits = 0, sum = 0;
  for (size_t i = 0; i < query.ranked.size(); ++i) {
    if (query.ranked[i] != query.identity) continue;
    const auto place = static_cast<double>(i);
    const double before = i == 0 ? 1 : hits / place;
    sum += (before + (hits + 1) / (place + 1)) / 2;
    ++hits;
  }
  return sum / static_cast<double>(query.relevant);
}

std::optional<double> MinpOf(const RankedQuery& query, int64_t) {
  if (!AllFound(query)) return std::nullopt;
  const auto last = std::find(query.ranked.rbegin(), query.ranked.rend(), query.identity);
  if (HitsWithin(query, static_cast<int64_t>(query.ranked.size())) < query.relevant) return 0;
  return static_cast<double>(query.relevant) / static_cast<double>(query.ranked.rend() - last);
}

std::optional<double> Mrr(const RankedQuery& query, int64_t) {
  const int64_t place = FirstHit(query, static_cast<int64_t>(query.ranked.size()));
  if (place > 0) return 1.0 / static_cast<double>(place);
  if (query.complete) return 0;
  return std::nullopt;
}

std::optional<double> MrrAtK(const RankedQuery& query, int64_t k) {
  const int64_t place = FirstHit(query, k);
  if (place > 0) return 1.0 / static_cast<double>(place);
  if (RankedTo(query, k)) return 0;
  return std::nullopt;
}

// Gains are 1 for relevant items, discounts 1 / log2(place + 1), as in trec_eval and ranx.
std::optional<double> NdcgAtK(const RankedQuery& query, int64_t k) {
  if (query.relevant == kUnknownRelevant) return std::nullopt;
  if (!Decided(query, k, HitsWithin(query, k))) return std::nullopt;
  const auto discount = [](int64_t place) { return 1 / std::log2(static_cast<double>(place) + 1); };
  double gain = 0, ideal = 0;
  int64_t place = 0;
  for (int64_t identity : Top(query, k)) {
    ++place;
    if (identity == query.identity) gain += discount(place);
  }
  for (int64_t i = 1; i <= std::min(k, query.relevant); ++i) ideal += discount(i);
  return gain / ideal;
}

// 1-based place of the own identity among the first k different ones, 0 where it is not there;
// nothing where the ranking ends before that.
std::optional<int64_t> PlaceOfIdentity(const RankedQuery& query, int64_t k) {
  std::vector<int64_t> different;
  for (int64_t identity : query.ranked) {
    if (std::find(different.begin(), different.end(), identity) != different.end()) continue;
    different.push_back(identity);
    if (identity == query.identity) return static_cast<int64_t>(different.size());
    if (static_cast<int64_t>(different.size()) == k) return 0;
  }
  if (query.complete) return 0;
  return std::nullopt;
}

std::optional<double> KaggleMapAtK(const RankedQuery& query, int64_t k) {
  const std::optional<int64_t> place = PlaceOfIdentity(query, k);
  if (!place) return std::nullopt;
  return *place == 0 ? 0 : 1.0 / static_cast<double>(*place);
}

std::optional<double> TopK(const RankedQuery& query, int64_t k) {
  const std::optional<int64_t> place = PlaceOfIdentity(query, k);
  if (!place) return std::nullopt;
  return *place == 0 ? 0 : 1;
}

constexpr MetricRow kRetrievalMetrics[] = {
    {"recall@k", true, false, RecallAtK,
     "hit rate: 1 if any of the first k is relevant (metric-learning usage, PML's precision@1 for "
     "k 1)"},
    {"precision@k", true, false, PrecisionAtK, "relevant ones among the first k, divided by k"},
    {"found@k", true, false, FoundAtK,
     "relevant ones among the first k, divided by all relevant ones (trec_eval's and ranx's "
     "recall)"},
    {"map@k", true, false, MapAtK,
     "average precision of the first k, divided by min(relevant, k) (Landmark's rule; AP of "
     "trec_eval for a k that "
     "holds all)"},
    {"map", false, true, FullMap,
     "average precision of the full ranking, divided by relevant (trec_eval, re-identification)"},
    {"map_trapezoid", false, true, TrapezoidMap,
     "average precision of the full ranking by the trapezoidal rule (Oxford and Paris, revisited)"},
    {"map@r", false, false, MapAtR,
     "MAP@R: average precision of the first R = number of relevant items, divided by R (PML)"},
    {"r_precision", false, false, RPrecision,
     "relevant ones among the first R = number of relevant items, divided by R (PML, trec_eval)"},
    {"ndcg@k", true, false, NdcgAtK,
     "discounted cumulative gain of the first k over that of the best ranking, gains 0 or 1"},
    {"mrr", false, true, Mrr,
     "mean reciprocal rank of the first relevant item in the full ranking"},
    {"mrr@k", true, false, MrrAtK, "as mrr, 0 where none of the first k is relevant"},
    {"minp", false, true, MinpOf,
     "mINP, mean inverse negative penalty: relevant items / place of the last one (Ye 2021, "
     "re-identification)"},
    {"cmc@k", true, false, RecallAtK,
     "cumulative matching characteristic: 1 if any of the first k is relevant (re-identification "
     "usage)"},
    {"top@k", true, false, TopK,
     "top-k accuracy: 1 if the own identity is among the first k different identities"},
    {"kaggle_map@k", true, false, KaggleMapAtK,
     "Kaggle humpback MAP@k: 1/place of the own identity among the first k different identities"},
};

}  // namespace

std::span<const MetricRow> RetrievalMetrics() { return kRetrievalMetrics; }

}  // namespace fluke
