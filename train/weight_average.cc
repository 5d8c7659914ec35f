#include "train/weight_average.h"

#include <algorithm>

#include "common/error.h"
#include "train/weights.h"

namespace fluke::train {

WeightAverage::WeightAverage(const torch::nn::Module& module, double decay) : decay_(decay) {
  if (!enabled()) return;
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : WeightsOf(module)) {
    if (!tensor.is_floating_point()) continue;
    names_.push_back(name);
    live_.push_back(tensor);
    average_.push_back(tensor.detach().clone());
  }
}

void WeightAverage::Update(int64_t step) {
  if (!enabled()) return;
  const at::NoGradGuard no_grad;
  const auto n = static_cast<double>(step);
  at::_foreach_lerp_(average_, live_, 1 - std::min(decay_, (1 + n) / (10 + n)));
}

void WeightAverage::Swap() {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < live_.size(); ++i) {
    const at::Tensor kept = live_[i].detach().clone();
    live_[i].copy_(average_[i]);
    average_[i].copy_(kept);
  }
}

NamedTensors WeightAverage::State(const std::string& prefix) const {
  NamedTensors state;
  for (size_t i = 0; i < names_.size(); ++i) state.emplace(prefix + names_[i], average_[i]);
  return state;
}

void WeightAverage::LoadState(const NamedTensors& state, const std::string& prefix) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < names_.size(); ++i) {
    const auto found = state.find(prefix + names_[i]);
    if (found == state.end()) DataLoss("the checkpoint lacks the averaged weight ", names_[i]);
    average_[i].copy_(found->second);
  }
}

}  // namespace fluke::train
