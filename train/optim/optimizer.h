// Optimizers as fused steps over all parameters (ATen's fused kernels, on CPU and CUDA), with a
// state that is saved by name.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fluke/v1/config.pb.h"
#include "train/safetensors.h"
#include "train/torch.h"

namespace fluke::train {

class Optimizer;

struct OptimizerRow {
  std::string_view name;
  // One update of all parameters of a group; lr is the group's.
  void (*step)(Optimizer& optimizer, size_t group, double lr);
  bool second_moment;  // keeps a second running mean (Adam's v)
  std::string_view help;
};

std::span<const OptimizerRow> Optimizers();

// Not thread-safe; owned by the trainer. Parameters without a gradient are left alone.
class Optimizer {
 public:
  struct Group {
    std::vector<std::pair<std::string, at::Tensor>> params;  // name, leaf tensor
    double lr_scale = 1;
    // Of the same order as params.
    std::vector<at::Tensor> momentum, second_moment, steps;
  };

  // Throws InvalidArgument for an unknown optimizer name.
  Optimizer(const fluke::v1::Optimizer& config, std::vector<Group> groups);

  void ZeroGrad();
  // Scales all gradients so that their joint L2 norm is at most config.clip_norm (where that is not
  // 0).
  void ClipGradients();
  void Step(double lr);

  // Named state, for checkpoints: "<param>.m", "<param>.v", "<param>.step".
  NamedTensors State() const;
  // Throws DataLoss naming the first tensor that is missing or of another shape.
  void LoadState(const NamedTensors& state);

  const fluke::v1::Optimizer& config() const { return config_; }
  Group& group(size_t i) { return groups_[i]; }

 private:
  fluke::v1::Optimizer config_;
  const OptimizerRow* row_;
  std::vector<Group> groups_;
};

}  // namespace fluke::train
