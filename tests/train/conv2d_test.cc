#include "train/models/conv2d.h"

#include <gtest/gtest.h>

#include "train/device.h"

namespace fluke::train {
namespace {

struct Case {
  int64_t in, out, kernel, stride, padding, side;
};

// Small maps, which take the matrix product, and large ones, which do not; odd sides; stride 2; no
// padding.
const Case kCases[] = {{6, 8, 3, 1, 1, 4},  {6, 8, 3, 2, 1, 8}, {6, 8, 3, 2, 1, 7},
                       {5, 3, 3, 1, 0, 5},  {4, 4, 3, 1, 1, 8}, {4, 4, 3, 2, 1, 15},
                       {3, 4, 7, 2, 3, 32}, {4, 6, 1, 2, 0, 8}, {4, 6, 3, 1, 1, 1}};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.in << "->" << c.out << " k" << c.kernel << " s" << c.stride << " " << c.side;
}

Conv2d RandomConv2d(const Case& c) {
  Conv2d conv(c.in, c.out, c.kernel, c.stride, c.padding);
  const at::NoGradGuard no_grad;
  conv->weight.normal_();
  return conv;
}

TEST(Conv2d, EqualsTorchsConvolutionInValueAndGradients) {
  torch::manual_seed(1);
  for (const Case& c : kCases) {
    SCOPED_TRACE(testing::PrintToString(c));
    Conv2d conv = RandomConv2d(c);
    MakeChannelsLast(*conv);
    at::Tensor x = torch::randn({3, c.in, c.side, c.side})
                       .contiguous(at::MemoryFormat::ChannelsLast)
                       .requires_grad_();
    // In double precision and plain layout, which no quick kernel of oneDNN's takes.
    at::Tensor x2 = x.detach().to(at::kDouble).contiguous().requires_grad_();
    at::Tensor w2 = conv->weight.detach().to(at::kDouble).contiguous().requires_grad_();
    const at::Tensor y = conv->forward(x);
    const at::Tensor y2 = at::conv2d(x2, w2, {}, c.stride, c.padding);
    ASSERT_EQ(y.sizes(), y2.sizes());
    const auto near = [](const at::Tensor& a, const at::Tensor& b) {
      return at::allclose(a.to(at::kDouble), b, 1e-4, 1e-4);
    };
    EXPECT_TRUE(near(y, y2));
    const at::Tensor g = torch::randn_like(y);
    y.backward(g);
    y2.backward(g.to(at::kDouble));
    EXPECT_TRUE(near(x.grad(), x2.grad()));
    EXPECT_TRUE(near(conv->weight.grad(), w2.grad()));
  }
}

TEST(Conv2d, IsWithinBf16RoundingOfFloat32InsideAutocast) {
  torch::manual_seed(2);
  for (const Case& c : kCases) {
    SCOPED_TRACE(testing::PrintToString(c));
    Conv2d conv = RandomConv2d(c);
    at::Tensor x = torch::randn({3, c.in, c.side, c.side}).requires_grad_();
    at::Tensor x2 = x.detach().clone().requires_grad_();
    at::Tensor w2 = conv->weight.detach().clone().requires_grad_();
    at::Tensor y;
    {
      const AutocastScope autocast("bf16", at::kCPU);
      y = conv->forward(x);
    }
    EXPECT_EQ(y.scalar_type(), at::kBFloat16);
    const at::Tensor y2 = at::conv2d(x2, w2, {}, c.stride, c.padding);
    const at::Tensor g = torch::randn_like(y2);
    y.backward(g.to(at::kBFloat16));
    y2.backward(g);
    const auto near = [](const at::Tensor& a, const at::Tensor& b) {
      return (a.to(at::kFloat) - b).norm().item<double>() < 0.02 * b.norm().item<double>();
    };
    EXPECT_TRUE(near(y, y2));
    EXPECT_TRUE(near(x.grad(), x2.grad()));
    EXPECT_TRUE(near(conv->weight.grad(), w2.grad()));
    EXPECT_EQ(conv->weight.grad().scalar_type(), at::kFloat);
  }
}

TEST(Im2Col, IsTheAdjointOfCol2Im) {
  // <Im2Col(x), c> = <x, Col2Im(c)> for every x and c.
  torch::manual_seed(3);
  for (const Case& c : kCases) {
    const at::Tensor x = torch::randn({2, c.in, c.side, c.side});
    const at::Tensor columns = Im2Col(x, c.kernel, c.stride, c.padding);
    const at::Tensor other = torch::randn_like(columns);
    const double left = (columns * other).sum().item<double>();
    const double right =
        (x * Col2Im(other, x.sizes(), c.kernel, c.stride, c.padding)).sum().item<double>();
    EXPECT_NEAR(left, right, 1e-3 * (1 + std::abs(left)));
  }
}

}  // namespace
}  // namespace fluke::train
