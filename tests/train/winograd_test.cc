// Winograd's convolution is the plain one, whatever the maps' size.
#include "train/models/winograd.h"

#include <gtest/gtest.h>

#include "common/panel_products.h"
#include "train/models/fused_conv.h"

namespace fluke::train {
namespace {

at::Tensor ChannelsLast(at::Tensor map) { return map.contiguous(at::MemoryFormat::ChannelsLast); }

// In double precision.
at::Tensor Plain(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::conv2d(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble), 1, 1);
}

double LargestGap(const at::Tensor& got, const at::Tensor& expected) {
  const at::Tensor gap = (got.to(at::kDouble) - expected).abs().max();
  return (gap / expected.abs().max().clamp_min(1)).item<double>();
}

TEST(WinogradConv, IsThePlainConvolutionOfMapsOfAnySize) {
  at::manual_seed(1);
  const at::NoGradGuard no_grad;
  for (const auto& [n, in, out, h, w] : std::vector<std::array<int64_t, 5>>{{1, 1, 1, 1, 1},
                                                                            {1, 3, 5, 4, 4},
                                                                            {2, 40, 33, 7, 9},
                                                                            {3, 64, 64, 13, 12},
                                                                            {1, 130, 70, 5, 30},
                                                                            {9, 16, 24, 28, 3}}) {
    const at::Tensor x = ChannelsLast(at::randn({n, in, h, w}));
    const at::Tensor weight = at::randn({out, in, 3, 3}), bias = at::randn({out});
    const at::Tensor sum = at::randn({n, out, h, w});
    const WinogradConv conv(weight, bias);
    const at::Tensor expected = Plain(x, weight, bias);
    const at::Tensor got = conv.Run(x, false);
    EXPECT_EQ(got.sizes(), expected.sizes());
    EXPECT_TRUE(got.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_LT(LargestGap(got, expected), 1e-5) << x.sizes();
    EXPECT_LT(LargestGap(conv.Run(x, true), expected.relu()), 1e-5) << x.sizes();
    at::Tensor added = ChannelsLast(sum.clone());
    conv.AddRelu(x, added);
    EXPECT_LT(LargestGap(added, (expected + sum).relu()), 1e-5) << x.sizes();
  }
}

TEST(WinogradConv, ANotANumberStays) {
  const at::NoGradGuard no_grad;
  const at::Tensor x = ChannelsLast(at::full({1, 8, 3, 3}, std::nan("")));
  EXPECT_TRUE(
      WinogradConv(at::ones({8, 8, 3, 3}), at::zeros({8})).Run(x, true).isnan().all().item<bool>());
}

TEST(WinogradConv, OneMapOfABatchIsTheSameAlone) {
  at::manual_seed(2);
  const at::NoGradGuard no_grad;
  const at::Tensor x = ChannelsLast(at::randn({5, 32, 14, 14}));
  const WinogradConv conv(at::randn({32, 32, 3, 3}), at::randn({32}));
  const at::Tensor together = conv.Run(x, true);
  for (int64_t i = 0; i < x.size(0); ++i) {
    const at::Tensor alone = conv.Run(ChannelsLast(x.slice(0, i, i + 1)), true);
    EXPECT_TRUE(at::equal(alone[0], together[i]));
  }
}

// Both ways of a fused convolution: of few tiles oneDNN's, of many Winograd's.
TEST(FusedConv, IsConvolutionThenNormalisationHoweverManyTilesThereAre) {
  at::manual_seed(3);
  const at::NoGradGuard no_grad;
  Conv2d conv(32, 48, 3, 1, 1);
  conv->weight.normal_();
  torch::nn::BatchNorm2d norm(48);
  norm->running_mean.normal_();
  norm->running_var.uniform_(.5, 2);
  norm->weight.uniform_(.5, 2);
  norm->bias.normal_();
  norm->eval();
  FusedConv fused(conv, norm, at::kFloat);
  for (const int64_t n : {1, 40}) {
    const at::Tensor x = at::randn({n, 32, 6, 6}), sum = at::randn({n, 48, 6, 6});
    EXPECT_EQ(WinogradConv::Pays(conv->weight.sizes(), x.sizes()),
              n == 40 && PanelProductsAreQuick());
    const at::Tensor expected = norm(at::conv2d(x, conv->weight, {}, 1, 1)).to(at::kDouble);
    EXPECT_LT(LargestGap(fused(x), expected), 1e-5);
    EXPECT_LT(LargestGap(fused.Relu(x), expected.relu()), 1e-5);
    EXPECT_LT(LargestGap(fused.AddRelu(x, ChannelsLast(sum.clone())), (expected + sum).relu()),
              1e-5);
  }
}

}  // namespace
}  // namespace fluke::train
