#include "common/tune/pruners.h"

#include <algorithm>
#include <functional>
#include <vector>

namespace fluke {
namespace {

constexpr size_t kFinishedFirst = 5;
constexpr int kEta = 3;

const CurveOfTrial* Find(int64_t trial, std::span<const CurveOfTrial> curves) {
  const auto found = std::find_if(curves.begin(), curves.end(),
                                  [&](const CurveOfTrial& curve) { return curve.trial == trial; });
  return found == curves.end() || found->values.empty() ? nullptr : &*found;
}

bool PruneNothing(int64_t, std::span<const CurveOfTrial>, int) { return false; }

// 3^s epochs for s = 0 .. brackets - 1, the last one no more than max_epochs.
int BracketCount(int max_epochs) {
  int brackets = 1;
  for (int epochs = kEta; epochs <= max_epochs; epochs *= kEta) ++brackets;
  return brackets;
}

}  // namespace

bool PruneBelowMedian(int64_t trial, std::span<const CurveOfTrial> curves, int max_epochs) {
  const CurveOfTrial* own = Find(trial, curves);
  if (own == nullptr) return false;
  const int epoch = own->values.rbegin()->first;
  size_t finished = 0;
  std::vector<double> others;
  for (const CurveOfTrial& curve : curves) {
    if (curve.trial == trial) continue;
    finished += curve.finished;
    if (const auto value = curve.values.find(epoch); value != curve.values.end())
      others.push_back(value->second);
  }
  if (finished < kFinishedFirst || others.empty()) return false;
  std::sort(others.begin(), others.end());
  const size_t n = others.size();
  const double median = (others[(n - 1) / 2] + others[n / 2]) / 2;
  double best = own->values.begin()->second;
  for (const auto& [at, value] : own->values) best = std::max(best, value);
  return best < median;
}

bool PruneByHyperband(int64_t trial, std::span<const CurveOfTrial> curves, int max_epochs) {
  const CurveOfTrial* own = Find(trial, curves);
  if (own == nullptr) return false;
  const int epoch = own->values.rbegin()->first, brackets = BracketCount(max_epochs);
  const int64_t bracket = trial % brackets;
  int rung = 1;
  for (int64_t s = 0; s < bracket; ++s) rung *= kEta;
  while (rung < epoch) rung *= kEta;
  if (rung != epoch || epoch >= max_epochs) return false;
  std::vector<double> values;
  for (const CurveOfTrial& curve : curves) {
    if (curve.trial % brackets != bracket) continue;
    if (const auto value = curve.values.find(epoch); value != curve.values.end())
      values.push_back(value->second);
  }
  std::sort(values.begin(), values.end(), std::greater<>());
  const size_t promoted = std::max<size_t>(1, values.size() / kEta);
  return own->values.rbegin()->second < values[promoted - 1];
}

std::span<const PrunerKind> PrunerKinds() {
  static constexpr PrunerKind kKinds[] = {
      {"hyperband", PruneByHyperband,
       "successive thirds at epochs 1, 3, 9 .. (Li et al. 2018, 2020)"},
      {"median", PruneBelowMedian, "worse than the median of other trials after the same epoch"},
      {"none", PruneNothing, "every trial runs to its end"},
  };
  return kKinds;
}

}  // namespace fluke
