#include "serve/retrieval/examples.h"

#include <cmath>

#include "absl/status/status.h"

namespace fluke::serve {
namespace {

// Unit vectors that sum to less than float's rounding of them have no direction left.
constexpr double kLeastLength = 1e-6;

double LengthOf(std::span<const double> vector) {
  double squared = 0;
  for (const double value : vector) squared += value * value;
  return std::sqrt(squared);
}

// sum += weight x mean of the examples, or of their directions.
void AddMean(std::span<const Example> examples, double weight, bool unit,
             std::vector<double>* sum) {
  for (const Example& example : examples) {
    double scale = weight / static_cast<double>(examples.size());
    if (unit) {
      scale /= LengthOf(std::vector<double>(example.vector.begin(), example.vector.end()));
    }
    for (size_t i = 0; i < sum->size(); ++i) (*sum)[i] += scale * example.vector[i];
  }
}

}  // namespace

absl::StatusOr<std::vector<float>> CombineExamples(std::span<const Example> like,
                                                   std::span<const Example> unlike, bool unit) {
  std::vector<double> sum(like.front().vector.size());
  AddMean(like, unlike.empty() ? 1 : 2, unit, &sum);
  AddMean(unlike, -1, unit, &sum);
  if (unit) {
    const double length = LengthOf(sum);
    if (length < kLeastLength) {
      return absl::InvalidArgumentError(
          "like and unlike cancel each other out: the examples together have no direction");
    }
    for (double& value : sum) value /= length;
  }
  std::vector<float> combined(sum.begin(), sum.end());
  for (const float value : combined) {
    if (!std::isfinite(value)) {
      return absl::InvalidArgumentError("like and unlike together are larger than a float holds");
    }
  }
  return combined;
}

}  // namespace fluke::serve
