#include "common/tune/importance.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace fluke {
namespace {

constexpr size_t kQuarters = 4;

double OmegaSquared(const std::map<std::string, std::vector<double>>& groups) {
  double n = 0, sum = 0;
  for (const auto& [group, values] : groups) {
    n += static_cast<double>(values.size());
    sum += std::accumulate(values.begin(), values.end(), 0.0);
  }
  const double mean = sum / n, k = static_cast<double>(groups.size());
  if (k < 2 || n <= k) return 0;
  double between = 0, within = 0;
  for (const auto& [group, values] : groups) {
    const double size = static_cast<double>(values.size());
    const double own = std::accumulate(values.begin(), values.end(), 0.0) / size;
    between += size * (own - mean) * (own - mean);
    for (double value : values) within += (value - own) * (value - own);
  }
  const double noise = within / (n - k);  // mean square within groups
  const double total = between + within + noise;
  return total > 0 ? std::max(0.0, (between - (k - 1) * noise) / total) : 0;
}

}  // namespace

std::vector<ParameterImportance> Importance(std::span<const Parameter> space,
                                            std::span<const TrialResult> results) {
  std::vector<const TrialResult*> finished;
  for (const TrialResult& result : results) {
    if (result.pruned_at == 0) finished.push_back(&result);
  }
  std::vector<ParameterImportance> importance;
  for (size_t i = 0; i < space.size(); ++i) {
    std::stable_sort(finished.begin(), finished.end(),
                     [i](const TrialResult* a, const TrialResult* b) {
                       return a->positions[i] < b->positions[i];
                     });
    const int cells = CellCount(space[i]);
    const bool by_cell = cells > 0 && cells <= static_cast<int>(kQuarters);
    std::map<std::string, std::vector<double>> groups;
    for (size_t place = 0; place < finished.size(); ++place) {
      const std::string group = space[i].is_choice() || by_cell
                                    ? ValueAt(space[i], finished[place]->positions[i])
                                    : std::to_string(place * kQuarters / finished.size());
      groups[group].push_back(finished[place]->value);
    }
    importance.push_back({space[i].name, finished.empty() ? 0 : OmegaSquared(groups)});
  }
  std::stable_sort(importance.begin(), importance.end(),
                   [](const auto& a, const auto& b) { return a.share > b.share; });
  return importance;
}

}  // namespace fluke
