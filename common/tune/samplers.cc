#include "common/tune/samplers.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <tuple>
#include <utility>

#include "common/random.h"

namespace fluke {
namespace {

constexpr size_t kRandomTrials = 10, kMostGood = 25;
constexpr int kCandidates = 24;

double NormalCdf(double z) { return .5 * std::erfc(-z / std::numbers::sqrt2); }

// Best first.
std::vector<size_t> Ranked(std::span<const TrialResult> results) {
  std::vector<size_t> order(results.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const auto key = [&](size_t i) {
      const TrialResult& result = results[i];
      return std::tuple(result.pruned_at > 0, -result.pruned_at, -result.value);
    };
    return key(a) < key(b);
  });
  return order;
}

Random RandomOf(uint64_t seed, int64_t trial, size_t parameter) {
  return Random(RandomKey({seed, static_cast<uint64_t>(trial), parameter}));
}

// Log-share of a cell among the results, each cell counting 1 / cells beforehand.
double LogShare(const std::vector<double>& positions, int cells, int cell) {
  double count = 1.0 / cells;
  for (double position : positions)
    count += std::min(static_cast<int>(position * cells), cells - 1) == cell;
  return std::log(count / (static_cast<double>(positions.size()) + 1));
}

double BestChoice(const Parameter& parameter, const std::vector<double>& good,
                  const std::vector<double>& bad, Random* random) {
  const int cells = CellCount(parameter);
  double best_gain = -1e300;
  int best = 0;
  for (int candidate = 0; candidate < kCandidates; ++candidate) {
    // From the density of the good: a good result's cell, or any.
    const uint64_t pick = random->Below(good.size() + 1);
    const int cell = pick < good.size() ? std::min(static_cast<int>(good[pick] * cells), cells - 1)
                                        : static_cast<int>(random->Below(cells));
    const double gain = LogShare(good, cells, cell) - LogShare(bad, cells, cell);
    if (gain > best_gain) best_gain = gain, best = cell;
  }
  return (best + .5) / cells;
}

double BestNumber(const std::vector<double>& good, const std::vector<double>& bad, Random* random) {
  const ParzenDensity l(good), g(bad);
  double best_gain = -1e300, best = .5;
  for (int candidate = 0; candidate < kCandidates; ++candidate) {
    const double u_kernel = random->Uniform(), u_place = random->Uniform();
    const double position = l.Draw(u_kernel, u_place);
    const double gain = l.LogAt(position) - g.LogAt(position);
    if (gain > best_gain) best_gain = gain, best = position;
  }
  return best;
}

}  // namespace

ParzenDensity::ParzenDensity(std::vector<double> positions) {
  constexpr double kPriorMean = .5, kPriorWidth = 1;
  positions.push_back(kPriorMean);
  std::sort(positions.begin(), positions.end());
  const size_t n = positions.size();
  const double least_width = 1 / std::min(100.0, static_cast<double>(n) + 1);
  const auto prior =
      static_cast<size_t>(std::ranges::find(positions, kPriorMean) - positions.begin());
  for (size_t i = 0; i < n; ++i) {
    const double left = i > 0 ? positions[i] - positions[i - 1] : 0;
    const double right = i + 1 < n ? positions[i + 1] - positions[i] : 0;
    const double width =
        i == prior ? kPriorWidth : std::clamp(std::max(left, right), least_width, 1.0);
    kernels_.push_back({positions[i], width,
                        NormalCdf((1 - positions[i]) / width) - NormalCdf(-positions[i] / width)});
  }
}

double ParzenDensity::LogAt(double position) const {
  double sum = 0;
  for (const Kernel& kernel : kernels_) {
    const double z = (position - kernel.mean) / kernel.width;
    sum += std::exp(-.5 * z * z) / (std::sqrt(2 * std::numbers::pi) * kernel.width * kernel.mass);
  }
  return std::log(sum / static_cast<double>(kernels_.size()));
}

double ParzenDensity::Draw(double u_kernel, double u_place) const {
  const auto index = std::min(static_cast<size_t>(u_kernel * static_cast<double>(kernels_.size())),
                              kernels_.size() - 1);
  const Kernel& kernel = kernels_[index];
  const double target = NormalCdf(-kernel.mean / kernel.width) + u_place * kernel.mass;
  double low = 0, high = 1;  // the inverse of the cumulative distribution, by halving
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    (NormalCdf((middle - kernel.mean) / kernel.width) < target ? low : high) = middle;
  }
  return (low + high) / 2;
}

std::vector<double> SampleRandomly(std::span<const Parameter> space,
                                   std::span<const TrialResult> results, uint64_t seed,
                                   int64_t trial) {
  std::vector<double> positions;
  for (size_t i = 0; i < space.size(); ++i)
    positions.push_back(CellCentre(space[i], RandomOf(seed, trial, i).Uniform()));
  return positions;
}

std::vector<double> SampleByTpe(std::span<const Parameter> space,
                                std::span<const TrialResult> results, uint64_t seed,
                                int64_t trial) {
  if (results.size() < kRandomTrials) return SampleRandomly(space, results, seed, trial);
  const std::vector<size_t> ranked = Ranked(results);
  const size_t good_count = std::min((ranked.size() + 9) / 10, kMostGood);
  std::vector<double> positions;
  for (size_t i = 0; i < space.size(); ++i) {
    std::vector<double> good, bad;
    for (size_t place = 0; place < ranked.size(); ++place)
      (place < good_count ? good : bad).push_back(results[ranked[place]].positions[i]);
    Random random = RandomOf(seed, trial, i);
    const double position = space[i].is_choice() ? BestChoice(space[i], good, bad, &random)
                                                 : BestNumber(good, bad, &random);
    positions.push_back(CellCentre(space[i], position));
  }
  return positions;
}

std::span<const SamplerKind> SamplerKinds() {
  static constexpr SamplerKind kKinds[] = {
      {"tpe", SampleByTpe, "where good trials were denser than others (Bergstra et al. 2011)"},
      {"random", SampleRandomly, "anywhere in the space"},
  };
  return kKinds;
}

}  // namespace fluke
