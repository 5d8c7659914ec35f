// Global pooling: feature map N x C x h x w -> N x C (concat: N x 2C).
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "train/torch.h"

namespace fluke::train {

class Pooling : public torch::nn::Module {
 public:
  virtual at::Tensor forward(const at::Tensor& features) = 0;
  // Outputs a channel of the feature map.
  virtual int64_t multiple() const { return 1; }
};

struct PoolingRow {
  std::string_view name;
  std::shared_ptr<Pooling> (*make)(double gem_p);
  std::string_view help;
};

std::span<const PoolingRow> Poolings();

}  // namespace fluke::train
