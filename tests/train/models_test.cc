// The backbones against torchvision 0.26.0: every tensor of the state dict, in its order, is filled
// with a formula, and the network's pooled output on a formula image is compared with what
// torchvision printed.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "train/device.h"
#include "train/models/backbone.h"
#include "train/models/embedding_network.h"
#include "train/models/fused_conv.h"
#include "train/weights.h"

namespace fluke::train {
namespace {

// One state dict in torchvision's order: depth first, parameters and buffers of a module together.
void Collect(const torch::nn::Module& module, const std::string& prefix,
             std::vector<std::pair<std::string, at::Tensor>>* out) {
  for (const auto& item : module.named_parameters(false))
    out->emplace_back(prefix + item.key(), item.value());
  for (const auto& item : module.named_buffers(false))
    out->emplace_back(prefix + item.key(), item.value());
  for (const auto& child : module.named_children())
    Collect(*child.value(), prefix + child.key() + ".", out);
}

// sin(.37 i + k) for element i of the k-th floating tensor: weights / sqrt(fan in), norm weights 1
// + .1 sin, biases and means .1 sin, variances 1 + .5 sin.
void Fill(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  std::vector<std::pair<std::string, at::Tensor>> state;
  Collect(module, "", &state);
  int k = 0;
  for (auto& [name, tensor] : state) {
    if (!tensor.is_floating_point()) continue;
    const int64_t n = tensor.numel();
    at::Tensor v = at::sin(at::arange(n, at::kDouble) * 0.37 + k++);
    if (name.ends_with("running_var")) {
      v = 1 + 0.5 * v;
    } else if (tensor.dim() == 1 && name.ends_with("weight")) {
      v = 1 + 0.1 * v;
    } else if (tensor.dim() == 1) {
      v = 0.1 * v;
    } else {
      v = v / std::sqrt(static_cast<double>(n / tensor.size(0)));
    }
    tensor.copy_(v.view(tensor.sizes()));
  }
}

struct Expected {
  std::string_view name;
  int64_t parameters, state_tensors, features;
  std::vector<double> first, last;  // outputs [0, :4] and [1, -2:]
  double sum;
};

TEST(Backbones, AgreeWithTorchvision) {
  const std::vector<Expected> expected{
      {"resnet18",
       11176512,
       120,
       512,
       {.153958, .230923, .252841, .245034},
       {.187107, .126426},
       154.07},
      {"resnet34",
       21284672,
       216,
       512,
       {.496157, .145293, .00691085, .125985},
       {.0137017, .146301},
       583.295},
      {"resnet50", 23508032, 318, 2048, {0, 1.66153, 2.25409, 2.78487}, {3.64065, 0}, 5250.63},
      {"densenet121", 6953856, 725, 1024, {0, 2.85051, 0, 0}, {.808856, .0835105}, 1775.72},
  };
  const at::NoGradGuard no_grad;
  const at::Tensor image =
      at::sin(at::arange(2 * 3 * 64 * 64, at::kDouble) * 0.011).view({2, 3, 64, 64}).to(at::kFloat);
  for (const Expected& e : expected) {
    SCOPED_TRACE(e.name);
    for (const BackboneRow& row : Backbones()) {
      if (row.name != e.name) continue;
      const auto backbone = row.make({});
      int64_t parameters = 0;
      for (const at::Tensor& p : backbone->parameters()) parameters += p.numel();
      EXPECT_EQ(parameters, e.parameters);
      EXPECT_EQ(static_cast<int64_t>(WeightsOf(*backbone).size()), e.state_tensors);
      EXPECT_EQ(backbone->features(), e.features);
      Fill(*backbone);
      backbone->eval();
      const auto expect_torchvisions = [&](double absolute, double relative) {
        const at::Tensor y = backbone->forward(image).to(at::kFloat).mean({2, 3});
        for (int64_t i = 0; i < 4; ++i)
          EXPECT_NEAR(y[0][i].item<double>(), e.first[i], absolute + relative * e.first[i]);
        for (int64_t i = 0; i < 2; ++i) {
          EXPECT_NEAR(y[1][e.features - 2 + i].item<double>(), e.last[i],
                      absolute + relative * e.last[i]);
        }
        EXPECT_NEAR(y.sum().item<double>(), e.sum, 10 * relative * e.sum);
      };
      expect_torchvisions(2e-4, 1e-4);
      if (CanFuse(at::kFloat)) {
        SCOPED_TRACE("fused");
        backbone->Fuse(at::kFloat);
        expect_torchvisions(2e-4, 1e-4);
      }
      if (CanFuse(at::kBFloat16)) {
        SCOPED_TRACE("fused, bf16");  // 8 bits of mantissa through up to 121 layers
        backbone->Fuse(at::kBFloat16);
        const AutocastScope autocast("bf16", at::kCPU);
        expect_torchvisions(.05, .05);
      }
    }
  }
}

TEST(Backbones, ASmallStemKeepsSmallPicturesLarge) {
  const at::NoGradGuard no_grad;
  // ResNet-18 for CIFAR has 11,173,962 parameters (github.com/kuangliu/pytorch-cifar), 5,130 of
  // them in its classifier.
  const auto wide = MakeResnet18({.small_stem = true});
  int64_t parameters = 0;
  for (const at::Tensor& p : wide->parameters()) parameters += p.numel();
  EXPECT_EQ(parameters, 11173962 - 5130);

  const auto narrow = MakeResnet50({.in_channels = 1, .width = 4, .small_stem = true});
  EXPECT_EQ(narrow->features(), 4 * 8 * 4);
  narrow->eval();
  EXPECT_EQ(narrow->forward(torch::randn({2, 1, 28, 28})).sizes(),
            (std::vector<int64_t>{2, 128, 4, 4}));
}

TEST(Backbones, UseTorchvisionsParameterNames) {
  const auto has = [](std::string_view backbone, const std::string& name) {
    for (const BackboneRow& row : Backbones()) {
      if (row.name == backbone) return WeightsOf(*row.make({})).contains(name);
    }
    return false;
  };
  EXPECT_TRUE(has("resnet18", "layer2.0.downsample.0.weight"));
  EXPECT_TRUE(has("resnet18", "layer2.0.downsample.1.running_var"));
  EXPECT_TRUE(has("resnet50", "layer4.2.conv3.weight"));
  EXPECT_TRUE(has("densenet121", "features.denseblock3.denselayer24.norm2.weight"));
  EXPECT_TRUE(has("densenet121", "features.transition2.conv.weight"));
  EXPECT_TRUE(has("densenet121", "features.norm5.num_batches_tracked"));
}

TEST(EmbeddingNetwork, KeepsTheBackbonesNamesWithoutAPrefix) {
  fluke::v1::Model config;
  config.set_pooling("gem");
  EmbeddingNetwork network(config, 3);
  const NamedTensors weights = WeightsOf(network);
  for (const char* name : {"conv1.weight", "layer4.1.bn2.bias", "pool.p", "head.linear.weight",
                           "head.bn.running_mean"}) {
    EXPECT_TRUE(weights.contains(name)) << name;
  }
}

TEST(EmbeddingNetwork, GivesDimNumbersAnImageForEveryBackboneAndPooling) {
  const at::NoGradGuard no_grad;
  for (const BackboneRow& backbone : Backbones()) {
    for (const char* pooling : {"avg", "max", "gem", "concat"}) {
      if (backbone.name != "conv4" && pooling != std::string_view("concat")) continue;
      fluke::v1::Model config;
      config.set_backbone(std::string(backbone.name));
      config.set_pooling(pooling);
      config.set_dim(7);
      EmbeddingNetwork network(config, 1);
      network.eval();
      EXPECT_EQ(network.forward(torch::randn({2, 1, 32, 32})).sizes(), (std::vector<int64_t>{2, 7}))
          << backbone.name;
    }
  }
}

TEST(Pooling, GemIsTheGeneralisedMean) {
  // Values 1, 2, 3, 4 with p = 3: ((1 + 8 + 27 + 64) / 4)^(1/3) = 25^(1/3) = 2.924018.
  const at::NoGradGuard no_grad;
  const at::Tensor map = torch::tensor({1.f, 2.f, 3.f, 4.f}).view({1, 1, 2, 2});
  for (const PoolingRow& row : Poolings()) {
    const at::Tensor y = row.make(3)->forward(map);
    if (row.name == "avg") {
      EXPECT_NEAR(y.item<double>(), 2.5, 1e-6);
    }
    if (row.name == "max") {
      EXPECT_NEAR(y.item<double>(), 4, 1e-6);
    }
    if (row.name == "gem") {
      EXPECT_NEAR(y.item<double>(), 2.924018, 1e-5);
    }
    if (row.name == "concat") {
      EXPECT_TRUE(at::allclose(y, torch::tensor({{2.5f, 4.f}})));
    }
  }
}

}  // namespace
}  // namespace fluke::train
