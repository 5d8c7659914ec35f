// Exponential moving average of a network's weights: validated and saved in place of the live ones.
#pragma once

#include <string>
#include <vector>

#include "train/safetensors.h"
#include "train/torch.h"

namespace fluke::train {

// Not thread-safe; owned by the trainer. Running statistics of batch norm are averaged with the
// weights.
class WeightAverage {
 public:
  // decay 0: off, every call does nothing.
  WeightAverage(const torch::nn::Module& module, double decay);
  bool enabled() const { return decay_ > 0; }
  // After optimizer step number `step` (0-based). The decay grows as (1 + step) / (10 + step) up to
  // `decay` (TensorFlow's rule).
  void Update(int64_t step);
  // Exchanges live and averaged weights; call again to change back.
  void Swap();
  // "<prefix><name>" of each averaged weight.
  NamedTensors State(const std::string& prefix) const;
  void LoadState(const NamedTensors& state, const std::string& prefix);

 private:
  double decay_;
  std::vector<std::string> names_;
  std::vector<at::Tensor> live_, average_;
};

}  // namespace fluke::train
