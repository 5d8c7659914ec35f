// Scores of pairs of the same individual (or of queries that should be accepted) against those of
// different ones: how well a threshold tells them apart. Accepted: score >= threshold.
#pragma once

#include <span>
#include <vector>

namespace fluke {

// Area under the ROC curve: the chance that a positive scores above a negative, a tie counting
// half (Mann and Whitney's U). .5 where either is empty.
double Auroc(std::span<const float> positive, std::span<const float> negative);
double Auroc(std::span<const double> positive, std::span<const double> negative);

struct VerificationPoint {
  float threshold = 0;
  double fnmr = 0;  // false non-match rate: same pairs that are refused
  double fmr = 0;   // false match rate reached: different pairs that are accepted
};

// At the lowest threshold whose false match rate is at most `fmr` (ISO/IEC 19795-1). Throws
// InvalidArgument where there are no pairs of either kind or fmr is not within 0..1.
VerificationPoint FnmrAtFmr(std::span<const float> same, std::span<const float> different,
                            double fmr);

// Where both rates are nearest to one another; the rate is their mean.
double EqualErrorRate(std::span<const float> same, std::span<const float> different);

}  // namespace fluke
