// A bias-free square convolution for training on the CPU, with torch.nn.Conv2d's parameter name and
// meaning.
//
// oneDNN's kernels are slow where the feature map is small and the weights are many (the last
// stages of a ResNet: its weight gradient of a 512 x 512 x 3 x 3 convolution on 4 x 4 maps took 34
// ms in bf16 where im2col and one matrix product take 7). Such layers take the matrix product here;
// all others, and every layer on a GPU, are at::conv2d's.
#pragma once

#include "train/torch.h"

namespace fluke::train {

class Conv2dImpl : public torch::nn::Module {
 public:
  // weight: out x in x kernel x kernel, not initialised.
  Conv2dImpl(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding);
  // x: N x in x H x W -> N x out x H' x W'; bf16 inside a bf16 autocast.
  at::Tensor forward(const at::Tensor& x);

  int64_t stride() const { return stride_; }
  int64_t padding() const { return padding_; }

  at::Tensor weight;

 private:
  int64_t stride_;
  int64_t padding_;
};
TORCH_MODULE(Conv2d);

// The pieces, for tests. x: N x C x H x W, float32 or bf16 -> (N H' W') x (k k C), rows of
// channels-last patches.
at::Tensor Im2Col(const at::Tensor& x, int64_t kernel, int64_t stride, int64_t padding);
// The adjoint of Im2Col: sums patch rows back into an N x C x H x W map (channels-last), in float32
// inside.
at::Tensor Col2Im(const at::Tensor& columns, at::IntArrayRef x_sizes, int64_t kernel,
                  int64_t stride, int64_t padding);

}  // namespace fluke::train
