// Ending trials early that will not be among the best.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string_view>

namespace fluke {

// Values after each epoch (1-based) that was validated; larger is better.
using LearningCurve = std::map<int, double>;

struct CurveOfTrial {
  int64_t trial = 0;
  LearningCurve values = {};
  bool finished = false;  // ran to its end
};

struct PrunerKind {
  std::string_view name;
  // Whether `trial` (its values among those of `curves`) should end after its last epoch.
  bool (*prune)(int64_t trial, std::span<const CurveOfTrial> curves, int max_epochs);
  std::string_view help;
};
std::span<const PrunerKind> PrunerKinds();

// Its best value so far is below the median of the other trials' values after the same epoch. Not
// before 5 trials have finished (Golovin et al.: Google Vizier, KDD 2017; Optuna's MedianPruner).
bool PruneBelowMedian(int64_t trial, std::span<const CurveOfTrial> curves, int max_epochs);

// Asynchronous successive halving (Li et al.: A System for Massively Parallel Hyperparameter
// Tuning, MLSys 2020) in the brackets of Hyperband (Li et al., JMLR 2018): with eta 3, a trial of
// bracket s is looked at after epochs 3^s, 3^(s+1) ..; it goes on while it is among the best third
// of its bracket's values there, or the best of less than three. Trials take brackets in turn.
bool PruneByHyperband(int64_t trial, std::span<const CurveOfTrial> curves, int max_epochs);

}  // namespace fluke
