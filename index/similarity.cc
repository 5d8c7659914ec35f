#include "index/similarity.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/table.h"

namespace fluke {
namespace {

// Squared distances reach 4 times the larger squared norm; inner products stay below it
// (Cauchy-Schwarz).
constexpr double kMaxSquaredNorm = std::numeric_limits<float>::max() / 4.0;

// float32 normalisation leaves the squared norm within about 2^-23 of 1; twice that counts as done.
constexpr double kUnitTolerance = 2.4e-7;

double SquaredNorm(std::span<const float> vector) {
  double sum = 0;
  for (const float value : vector) sum += static_cast<double>(value) * value;
  return sum;
}

}  // namespace

Similarity ParseSimilarity(std::string_view name) {
  return Find(kSimilarities, "metric", name).similarity;
}

std::string_view SimilarityName(Similarity similarity) {
  return kSimilarities[static_cast<int>(similarity)].name;
}

std::string VectorDefect(Similarity similarity, std::span<const float> vector) {
  for (size_t i = 0; i < vector.size(); ++i) {
    if (!std::isfinite(vector[i])) {
      return absl::StrCat("value ", i, " is ", vector[i], ", expected a finite number");
    }
  }
  const double squared_norm = SquaredNorm(vector);
  if (similarity == Similarity::kCosine) {
    return squared_norm > 0 ? "" : "all values are zero: such a vector has no direction for cosine";
  }
  if (squared_norm <= kMaxSquaredNorm) return "";
  return absl::StrCat("its length is ", std::sqrt(squared_norm),
                      ": scores would overflow float32, expected at most ",
                      std::sqrt(kMaxSquaredNorm));
}

void Normalise(Similarity similarity, std::span<float> vector) {
  if (similarity != Similarity::kCosine) return;
  const double squared_norm = SquaredNorm(vector);
  if (std::abs(squared_norm - 1) <= kUnitTolerance) return;
  const double norm = std::sqrt(squared_norm);
  for (float& value : vector) value = static_cast<float>(value / norm);
}

}  // namespace fluke
