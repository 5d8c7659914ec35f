#include "common/metrics/significance.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "common/error.h"
#include "common/parallel.h"
#include "common/random.h"

namespace fluke {
namespace {

constexpr int64_t kMaxExactDifferences = 20;
// Sums of the same differences in another order may differ by roundings.
constexpr double kRounding = 1e-12;

void Check(const BootstrapOptions& options) {
  if (options.resamples < 1) {
    InvalidArgument(options.resamples, " resamples; expected at least 1");
  }
  if (!(options.confidence > 0 && options.confidence < 1)) {
    InvalidArgument("confidence is ", options.confidence, "; expected between 0 and 1, as .95");
  }
}

// What is drawn: sums of the columns and queries of a group.
struct Groups {
  std::vector<double> sums;     // groups x width
  std::vector<double> queries;  // groups
};

Groups SumGroups(std::span<const double> values, int64_t width, std::span<const int64_t> group_of) {
  const auto count = static_cast<int64_t>(values.size()) / width;
  if (group_of.empty()) {
    return {.sums = {values.begin(), values.end()}, .queries = std::vector<double>(count, 1)};
  }
  Groups groups;
  std::unordered_map<int64_t, size_t> number_of;
  for (int64_t q = 0; q < count; ++q) {
    const auto [found, fresh] = number_of.emplace(group_of[q], groups.queries.size());
    if (fresh) {
      groups.queries.push_back(0);
      groups.sums.resize(groups.sums.size() + width);
    }
    ++groups.queries[found->second];
    for (int64_t m = 0; m < width; ++m) {
      groups.sums[found->second * width + m] += values[q * width + m];
    }
  }
  return groups;
}

// numpy.percentile's default of sorted values.
double Percentile(std::span<const double> sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

// The regularised incomplete beta function by its continued fraction (Abramowitz & Stegun 26.5.8,
// evaluated by Lentz's method).
double BetaFraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  const auto away_from_zero = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), fraction = d;
  for (int m = 1; m <= 10000; ++m) {
    for (const double step : {m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                              -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))}) {
      d = 1 / away_from_zero(1 + step * d);
      c = away_from_zero(1 + step / c);
      fraction *= c * d;
    }
    if (std::abs(c * d - 1) < 1e-15) break;
  }
  return fraction;
}

double IncompleteBeta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x));
  return x < (a + 1) / (a + b + 2) ? front * BetaFraction(a, b, x) / a
                                   : 1 - front * BetaFraction(b, a, 1 - x) / b;
}

double ExactRandomisation(std::span<const double> differences, double observed) {
  const uint64_t ways = uint64_t{1} << differences.size();
  int64_t as_extreme = 0;
  for (uint64_t signs = 0; signs < ways; ++signs) {
    double sum = 0;
    for (size_t i = 0; i < differences.size(); ++i) {
      sum += signs >> i & 1 ? -differences[i] : differences[i];
    }
    as_extreme += std::abs(sum) >= observed;
  }
  return static_cast<double>(as_extreme) / static_cast<double>(ways);
}

double DrawnRandomisation(std::span<const double> differences, double observed,
                          const BootstrapOptions& options) {
  std::vector<char> as_extreme(options.resamples);
  ParallelFor(options.resamples, HardwareThreads(), [&](int64_t resample, int) {
    Random random(RandomKey({options.seed, static_cast<uint64_t>(resample), 1}));
    double sum = 0;
    uint64_t signs = 0;
    for (size_t i = 0; i < differences.size(); ++i) {
      if (i % 64 == 0) signs = random.Bits();
      sum += signs >> (i % 64) & 1 ? -differences[i] : differences[i];
    }
    as_extreme[resample] = std::abs(sum) >= observed;
  });
  const auto count = std::count(as_extreme.begin(), as_extreme.end(), 1);
  return static_cast<double>(count + 1) / static_cast<double>(options.resamples + 1);
}

}  // namespace

std::vector<Interval> BootstrapMeans(std::span<const double> values, int64_t width,
                                     std::span<const int64_t> group_of,
                                     const BootstrapOptions& options) {
  Check(options);
  if (width < 1 || values.empty()) return std::vector<Interval>(std::max<int64_t>(width, 0));
  const Groups groups = SumGroups(values, width, group_of);
  const size_t count = groups.queries.size();
  std::vector<double> means(options.resamples * width);  // by column
  ParallelFor(options.resamples, HardwareThreads(), [&](int64_t resample, int) {
    Random random(RandomKey({options.seed, static_cast<uint64_t>(resample), 0}));
    std::vector<double> sums(width);
    double queries = 0;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t group = random.Below(count);
      queries += groups.queries[group];
      for (int64_t m = 0; m < width; ++m) sums[m] += groups.sums[group * width + m];
    }
    for (int64_t m = 0; m < width; ++m) means[m * options.resamples + resample] = sums[m] / queries;
  });
  std::vector<Interval> intervals;
  for (int64_t m = 0; m < width; ++m) {
    const auto column = std::span(means).subspan(m * options.resamples, options.resamples);
    std::sort(column.begin(), column.end());
    const double outside = (1 - options.confidence) / 2;
    intervals.push_back({Percentile(column, outside), Percentile(column, 1 - outside)});
  }
  return intervals;
}

double StudentTwoSided(double t, double degrees) {
  return IncompleteBeta(degrees / 2, .5, degrees / (degrees + t * t));
}

PairedTest ComparePaired(std::span<const double> a, std::span<const double> b,
                         const BootstrapOptions& options) {
  Check(options);
  if (a.size() != b.size()) {
    InvalidArgument("a paired test needs the same queries on both sides, not ", a.size(), " and ",
                    b.size());
  }
  PairedTest test;
  std::vector<double> differences;  // but those of 0, whose sign changes nothing
  double sum = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = a[i] - b[i];
    sum += difference;
    size += std::abs(difference);
    ++(difference > 0 ? test.better : difference < 0 ? test.worse : test.equal);
    if (difference != 0) differences.push_back(difference);
  }
  if (differences.empty()) return test;
  const auto n = static_cast<double>(a.size());
  test.mean_difference = sum / n;
  double squares = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double deviation = a[i] - b[i] - test.mean_difference;
    squares += deviation * deviation;
  }
  if (a.size() > 1) {
    const double error = std::sqrt(squares / (n - 1) / n);
    test.t = error == 0 ? std::copysign(std::numeric_limits<double>::infinity(), sum)
                        : test.mean_difference / error;
    test.p_student = error == 0 ? 0 : StudentTwoSided(test.t, n - 1);
  }
  const double observed = std::abs(sum) - kRounding * size;
  test.randomisation_is_exact = static_cast<int64_t>(differences.size()) <= kMaxExactDifferences;
  test.p_randomisation = test.randomisation_is_exact
                             ? ExactRandomisation(differences, observed)
                             : DrawnRandomisation(differences, observed, options);
  return test;
}

}  // namespace fluke
