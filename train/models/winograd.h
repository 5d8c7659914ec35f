// A 3 x 3 convolution of stride 1 by Winograd's minimal filtering, F(4 x 4, 3 x 3) (Lavin and Gray,
// Fast Algorithms for Convolutional Neural Networks, 2015): a quarter of the multiplications, in
// float32, for a network on the CPU that is used and no longer trained. Its sums round otherwise
// than a plain convolution's, by some 1e-6 of the largest value.
#pragma once

#include <cstdint>
#include <vector>

#include "train/torch.h"

namespace fluke::train {

// Immutable; thread-safe.
class WinogradConv {
 public:
  // weight: out x in x 3 x 3; bias: out; both float32.
  WinogradConv(const at::Tensor& weight, const at::Tensor& bias);

  // Whether it is quicker, with AVX2 at least, than the plain convolution for maps of N x in x H x
  // W.
  static bool Pays(at::IntArrayRef weight_sizes, at::IntArrayRef x_sizes);

  // x: N x in x H x W, float32, channels-last -> conv(x) + bias, padded by one all around, as N x
  // out x H x W, channels-last.
  at::Tensor Run(const at::Tensor& x, bool relu) const;
  // relu(sum + conv(x) + bias), which takes the place of `sum`, a channels-last map.
  void AddRelu(const at::Tensor& x, at::Tensor& sum) const;

 private:
  void RunInto(const at::Tensor& x, at::Tensor& y, bool add, bool relu) const;

  int64_t in_, out_;
  std::vector<float> weight_;  // 36 parts x panels of outputs x in x outputs of a panel
  at::Tensor bias_;
};

}  // namespace fluke::train
