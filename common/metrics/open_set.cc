#include "common/metrics/open_set.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <numeric>
#include <unordered_map>

#include "common/error.h"

namespace fluke {
namespace {

// Queries of each identity; known and new ones apart, since an identity may be of both kinds.
struct QueryCounts {
  std::unordered_map<int64_t, int64_t> known, fresh;

  explicit QueryCounts(std::span<const Identification> queries) {
    for (const Identification& query : queries) ++(query.is_known ? known : fresh)[query.identity];
  }

  // What one query weighs in BAKS or BAUS.
  double Weight(const Identification& query) const {
    const auto& counts = query.is_known ? known : fresh;
    return 1.0 / static_cast<double>(counts.at(query.identity)) /
           static_cast<double>(counts.size());
  }
};

constexpr ThresholdGoal kGoals[] = {
    {"geometric", [](double baks, double baus) { return std::sqrt(baks * baus); },
     "sqrt(BAKS * BAUS), AnimalCLEF's score"},
    {"mean", [](double baks, double baus) { return (baks + baus) / 2; }, "(BAKS + BAUS) / 2"},
};

std::vector<size_t> ByScore(std::span<const Identification> queries, bool ascending) {
  std::vector<size_t> order(queries.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return ascending ? queries[a].score < queries[b].score : queries[a].score > queries[b].score;
  });
  return order;
}

}  // namespace

OpenSetAccuracy BalancedAccuracies(std::span<const Identification> queries, float threshold) {
  const QueryCounts counts(queries);
  OpenSetAccuracy accuracy{.known_individuals = static_cast<int64_t>(counts.known.size()),
                           .new_individuals = static_cast<int64_t>(counts.fresh.size())};
  for (const Identification& query : queries) {
    const bool accepted = query.score >= threshold;
    if (query.is_known && accepted && query.is_right()) accuracy.baks += counts.Weight(query);
    if (!query.is_known && !accepted) accuracy.baus += counts.Weight(query);
  }
  return accuracy;
}

OpenSetPoint DirAtFar(std::span<const Identification> queries, double far) {
  if (!(far >= 0 && far <= 1)) InvalidArgument("a false alarm rate of ", far, "; expected 0 to 1");
  std::vector<float> fresh;
  int64_t known = 0;
  for (const Identification& query : queries) {
    if (query.is_known) {
      ++known;
    } else {
      fresh.push_back(query.score);
    }
  }
  std::sort(fresh.begin(), fresh.end(), std::greater<>());
  OpenSetPoint point{.threshold = -std::numeric_limits<float>::infinity()};
  const auto allowed = static_cast<size_t>(far * static_cast<double>(fresh.size()) + 1e-9);
  if (allowed < fresh.size()) {
    point.threshold = std::nextafter(fresh[allowed], std::numeric_limits<float>::infinity());
  }
  int64_t right = 0, alarms = 0;
  for (const Identification& query : queries) {
    if (query.score < point.threshold) continue;
    right += query.is_right();
    alarms += !query.is_known;
  }
  if (known > 0) point.dir = static_cast<double>(right) / static_cast<double>(known);
  if (!fresh.empty()) point.far = static_cast<double>(alarms) / static_cast<double>(fresh.size());
  return point;
}

std::span<const ThresholdGoal> ThresholdGoals() { return kGoals; }

// From below all scores upwards: whoever falls below the threshold is called new.
ThresholdChoice ChooseThreshold(std::span<const Identification> queries,
                                const ThresholdGoal& goal) {
  if (queries.empty()) InvalidArgument("no query to choose a threshold on");
  const QueryCounts counts(queries);
  const std::vector<size_t> order = ByScore(queries, true);
  double baks = 0, baus = 0;
  for (const Identification& query : queries) {
    if (query.is_right()) baks += counts.Weight(query);
  }
  ThresholdChoice best{
      .threshold = std::nextafter(queries[order[0]].score, -std::numeric_limits<float>::infinity()),
      .goal = goal.value(baks, baus)};
  for (size_t i = 0; i < order.size(); ++i) {
    const Identification& query = queries[order[i]];
    if (query.is_right()) baks -= counts.Weight(query);
    if (!query.is_known) baus += counts.Weight(query);
    const bool is_last = i + 1 == order.size();
    if (!is_last && queries[order[i + 1]].score == query.score) continue;
    const double value = goal.value(std::max(baks, 0.0), baus);
    if (value <= best.goal + 1e-12) continue;
    best.goal = value;
    best.threshold = is_last ? std::nextafter(query.score, std::numeric_limits<float>::infinity())
                             : std::midpoint(query.score, queries[order[i + 1]].score);
    // Neighbouring floats have no number between them.
    if (best.threshold == query.score) best.threshold = queries[order[i + 1]].score;
  }
  best.accuracy = BalancedAccuracies(queries, best.threshold);
  best.goal = goal.value(best.accuracy.baks, best.accuracy.baus);
  return best;
}

double GlobalAveragePrecision(std::span<const Identification> queries) {
  const auto known = std::count_if(queries.begin(), queries.end(),
                                   [](const Identification& query) { return query.is_known; });
  if (known == 0) return 0;
  double place = 0, right = 0, sum = 0;
  for (size_t i : ByScore(queries, false)) {
    if (queries[i].predicted < 0) continue;
    ++place;
    if (queries[i].is_right()) sum += ++right / place;
  }
  return sum / static_cast<double>(known);
}

}  // namespace fluke
