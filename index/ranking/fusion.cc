#include "index/ranking/fusion.h"

#include <algorithm>
#include <map>

#include "index/best_k.h"

namespace fluke::ranking {
namespace {

double ReciprocalRank(std::span<const Neighbor> /*ranking*/, size_t place,
                      const FusionScope& scope) {
  return 1 / (scope.k + static_cast<double>(place) + 1);
}

double Borda(std::span<const Neighbor> /*ranking*/, size_t place, const FusionScope& scope) {
  const auto depth = static_cast<double>(scope.depth);
  return std::max(0.0, depth - static_cast<double>(place)) / depth;
}

double MinMaxScore(std::span<const Neighbor> ranking, size_t place, const FusionScope& /*scope*/) {
  const double greatest = ranking.front().score, least = ranking.back().score;
  return greatest > least ? (ranking[place].score - least) / (greatest - least) : 1;
}

}  // namespace

std::span<const FusionRow> FusionMethods() {
  static constexpr FusionRow kMethods[] = {
      {"reciprocal_rank", ReciprocalRank, "weight / (k + rank)"},
      {"borda", Borda, "weight * (n - rank + 1) / n, n: in the longest ranking"},
      {"weighted_sum", MinMaxScore, "weight * score, min_max of each ranking"},
  };
  return kMethods;
}

std::vector<Neighbor> Fuse(std::span<const WeightedRanking> rankings, const FusionRow& method,
                           double k) {
  FusionScope scope{.k = k};
  for (const WeightedRanking& one : rankings) {
    scope.depth = std::max(scope.depth, one.ranking.size());
  }
  std::map<int64_t, double> scores;  // by row
  for (const WeightedRanking& one : rankings) {
    for (size_t place = 0; place < one.ranking.size(); ++place) {
      scores[one.ranking[place].row] += one.weight * method.points(one.ranking, place, scope);
    }
  }
  std::vector<Neighbor> fused;
  for (const auto& [row, score] : scores) {
    fused.push_back({.row = row, .score = static_cast<float>(score)});
  }
  std::ranges::sort(fused, Better);
  return fused;
}

}  // namespace fluke::ranking
