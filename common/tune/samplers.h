// Where the next trial of a study is tried.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/tune/search_space.h"

namespace fluke {

// A trial that has ended. Larger values are better.
struct TrialResult {
  std::vector<double> positions = {};  // search_space.h
  double value = 0;                    // its last, where it was pruned
  int pruned_at = 0;                   // epoch; 0: it ran to its end
};

struct SamplerKind {
  std::string_view name;
  // A position a parameter; depends on the results, the seed and the trial's number alone.
  std::vector<double> (*sample)(std::span<const Parameter> space,
                                std::span<const TrialResult> results, uint64_t seed, int64_t trial);
  std::string_view help;
};
std::span<const SamplerKind> SamplerKinds();

std::vector<double> SampleRandomly(std::span<const Parameter> space,
                                   std::span<const TrialResult> results, uint64_t seed,
                                   int64_t trial);

// Tree-structured Parzen estimator (Bergstra, Bardenet, Bengio, Kegl: Algorithms for
// Hyper-Parameter Optimization, NIPS 2011), each parameter by itself: of 24 draws from the density
// l of the best results that one with the largest l / g, g being the density of the others. As
// Optuna 4 has it by default: the first 10 trials random; the best ceil(n / 10) results, at most
// 25, are good; pruned ones are worse than finished ones, the later pruned the better; kernels as
// wide as the larger distance to a neighbour (the prior's mean is one, the ends of the range are
// none), and one of the prior.
std::vector<double> SampleByTpe(std::span<const Parameter> space,
                                std::span<const TrialResult> results, uint64_t seed, int64_t trial);

// The density of values within [0, 1] that `positions` stand for: kernels truncated to it, and one
// N(.5, 1) of the prior, equally heavy.
class ParzenDensity {
 public:
  explicit ParzenDensity(std::vector<double> positions);
  double LogAt(double position) const;
  // u_kernel, u_place: uniform in [0, 1).
  double Draw(double u_kernel, double u_place) const;

 private:
  struct Kernel {
    double mean, width, mass;  // mass: of the untruncated normal within [0, 1]
  };
  std::vector<Kernel> kernels_;
};

}  // namespace fluke
