// How a score of a gallery is to be read: is its best individual the right one, or is the
// photograph one of a new individual?
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "common/vector_index.h"

namespace fluke::serve {

inline constexpr int64_t kLeastIndividualsToCalibrate = 20;  // with two photographs or more

// Immutable once made; thread-safe.
struct ScoreCalibration {
  int64_t photographs = 0;      // that were tried
  float threshold = 0;          // a best score below it means a new individual
  double known_recognised = 0;  // both shares: see retrieval.proto
  double new_recognised = 0;
  int64_t snapshot = 0;  // of the index

  // How likely the best individual is the right one, where it is as likely as not that the right
  // one is in the gallery: rises with the score, linear between steps, level within them.
  struct Step {
    float low = 0, high = 0;  // scores
    double probability = 0;
  };
  std::vector<Step> steps;  // ascending
  double ProbabilityAt(float score) const;
};

// One photograph, looked for among all others: once with those of its own individual, once without.
struct CalibrationTrial {
  int64_t individual = 0;  // the same number for the same one
  float best_score = 0;    // of any individual
  bool best_is_right = false;
  std::optional<float> best_other_score;  // none: there are no others
};

// The threshold that recognises most: half the weight to known individuals whose best score reaches
// it with the right one, half to new ones whose best score stays below. In the middle of the widest
// gap between scores where several do equally well. The shares are those of five-fold
// cross-validation: each fifth of the individuals is judged by the threshold of the others. The
// probability is an isotonic regression (pool adjacent violators) over both kinds of trials, with
// one imagined trial against it at each end, so that nothing is certain. `trials` is not empty.
ScoreCalibration FitCalibration(const std::vector<CalibrationTrial>& trials);

struct CalibrationOptions {
  int64_t max_photographs = 1000;
  // No further ones are tried afterwards; a search that has begun ends first.
  double max_seconds = 10;
  uint64_t seed = 1;  // of the sample
};

// Tries a sample of the photographs whose individuals have several, each with itself left out.
// None where the gallery has fewer than kLeastIndividualsToCalibrate such individuals. Throws
// CANCELLED when `cancelled` says so, and as VectorIndex::Search does. Takes seconds in a large
// gallery.
std::optional<ScoreCalibration> Calibrate(const VectorIndex& index,
                                          const CalibrationOptions& options,
                                          const std::function<bool()>& cancelled);

}  // namespace fluke::serve
