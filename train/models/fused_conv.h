// A convolution and the batch normalisation behind it as one call, of oneDNN or, where that is
// quicker, of winograd.h, for a network on the CPU that is used and no longer trained.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "train/models/conv2d.h"
#include "train/models/winograd.h"
#include "train/torch.h"

namespace fluke::train {

// Whether this machine computes in `type` (float32, bfloat16) that way.
bool CanFuse(at::ScalarType type);

// Calls of one object must not overlap.
class FusedConv {
 public:
  FusedConv() = default;  // empty
  // Folds the running statistics into copies of the weights, in `type`.
  FusedConv(Conv2d& conv, torch::nn::BatchNorm2d& norm, at::ScalarType type);
  explicit operator bool() const { return weight_.defined(); }

  // x: N x in x H x W, any floating type -> norm(conv(x)), in `type`, channels-last.
  at::Tensor operator()(const at::Tensor& x);
  at::Tensor Relu(const at::Tensor& x);
  // relu(sum + norm(conv(x))), which takes the place of `sum`, a map of `type`.
  at::Tensor AddRelu(const at::Tensor& x, at::Tensor sum);

 private:
  at::Tensor Input(const at::Tensor& x) const;
  at::Tensor Run(const at::Tensor& x, std::string_view activation);
  void PackFor(const at::Tensor& x);
  // Null where oneDNN is quicker with a map of that size.
  const WinogradConv* WinogradFor(const at::Tensor& x);

  at::Tensor weight_, bias_;
  int64_t stride_ = 1, padding_ = 0;
  // `weight_` in the layout that oneDNN likes for maps of packed_side_.
  at::Tensor packed_;
  std::optional<WinogradConv> winograd_;  // once it was wanted: its weights are four times as many
  std::array<int64_t, 2> packed_side_ = {};
};

}  // namespace fluke::train
