#include "common/metrics/verification.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "common/error.h"

namespace fluke {
namespace {

std::vector<float> Descending(std::span<const float> scores) {
  std::vector<float> sorted(scores.begin(), scores.end());
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  return sorted;
}

// Share of `descending` that is at least `threshold`.
double ShareAccepted(const std::vector<float>& descending, float threshold) {
  const auto end = std::partition_point(descending.begin(), descending.end(),
                                        [&](float score) { return score >= threshold; });
  return static_cast<double>(end - descending.begin()) / static_cast<double>(descending.size());
}

void CheckPairs(std::span<const float> same, std::span<const float> different) {
  if (same.empty() || different.empty()) {
    InvalidArgument("verification needs pairs of both kinds; found ", same.size(),
                    " of the same and ", different.size(), " of different individuals");
  }
}

template <typename T>
double AreaUnderCurve(std::span<const T> positive, std::span<const T> negative) {
  if (positive.empty() || negative.empty()) return .5;
  std::vector<T> ascending(negative.begin(), negative.end());
  std::sort(ascending.begin(), ascending.end());
  double won = 0;
  for (T score : positive) {
    const auto [first, last] = std::equal_range(ascending.begin(), ascending.end(), score);
    won += static_cast<double>(first - ascending.begin()) + static_cast<double>(last - first) / 2;
  }
  return won / static_cast<double>(positive.size()) / static_cast<double>(negative.size());
}

}  // namespace

double Auroc(std::span<const float> positive, std::span<const float> negative) {
  return AreaUnderCurve(positive, negative);
}

double Auroc(std::span<const double> positive, std::span<const double> negative) {
  return AreaUnderCurve(positive, negative);
}

VerificationPoint FnmrAtFmr(std::span<const float> same, std::span<const float> different,
                            double fmr) {
  CheckPairs(same, different);
  if (!(fmr >= 0 && fmr <= 1)) InvalidArgument("a false match rate of ", fmr, "; expected 0 to 1");
  const std::vector<float> genuine = Descending(same), impostors = Descending(different);
  VerificationPoint point;
  const auto allowed = static_cast<size_t>(fmr * static_cast<double>(impostors.size()) + 1e-9);
  point.threshold =
      allowed >= impostors.size()
          ? std::min(genuine.back(), impostors.back())
          : std::nextafter(impostors[allowed], std::numeric_limits<float>::infinity());
  point.fnmr = 1 - ShareAccepted(genuine, point.threshold);
  point.fmr = ShareAccepted(impostors, point.threshold);
  return point;
}

double EqualErrorRate(std::span<const float> same, std::span<const float> different) {
  CheckPairs(same, different);
  const std::vector<float> genuine = Descending(same), impostors = Descending(different);
  double nearest = std::numeric_limits<double>::infinity(), rate = 0;
  const auto look_at = [&](float threshold) {
    const double fnmr = 1 - ShareAccepted(genuine, threshold);
    const double fmr = ShareAccepted(impostors, threshold);
    if (std::abs(fnmr - fmr) >= nearest) return;
    nearest = std::abs(fnmr - fmr);
    rate = (fnmr + fmr) / 2;
  };
  for (float threshold : genuine) look_at(threshold);
  for (float threshold : impostors) look_at(threshold);
  return rate;
}

}  // namespace fluke
