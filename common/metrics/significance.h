// How far chance could move a mean, and whether two runs differ by more than that.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fluke {

struct Interval {
  double low = 0;
  double high = 0;
};

struct BootstrapOptions {
  int64_t resamples = 1000;
  double confidence = .95;
  uint64_t seed = 0;
};

// Percentile bootstrap (Efron 1979) of the means of `values`' columns, values: queries x width; all
// columns are drawn together. group_of: empty, or one number a query: then whole groups are drawn
// with replacement (photographs of one individual are no independent witnesses), and the mean is of
// the queries drawn. Percentiles are interpolated linearly, as numpy does. The outcome depends on
// the seed alone, not on threads. Throws InvalidArgument for impossible options.
std::vector<Interval> BootstrapMeans(std::span<const double> values, int64_t width,
                                     std::span<const int64_t> group_of,
                                     const BootstrapOptions& options);

struct PairedTest {
  double mean_difference = 0;  // of `a - b`
  double p_student = 1;        // paired t-test, two-sided
  double t = 0;
  double p_randomisation = 1;  // two-sided
  bool randomisation_is_exact = false;
  int64_t better = 0, worse = 0, equal = 0;  // queries where a is larger, smaller, the same
};

// Of one metric's values for the same queries by two runs. Fisher's randomisation test (Smucker,
// Allan, Carterette 2007) flips the signs of the differences: all ways where there are at most 20
// that are not 0, otherwise `resamples` drawn ones, p = (as extreme ones + 1) / (resamples + 1).
// Where no value differs, both p are 1. Throws InvalidArgument for sizes that differ.
PairedTest ComparePaired(std::span<const double> a, std::span<const double> b,
                         const BootstrapOptions& options);

// P(|T| >= |t|) of Student's distribution; degrees >= 1.
double StudentTwoSided(double t, double degrees);

}  // namespace fluke
