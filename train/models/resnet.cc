#include <array>

#include "train/models/backbone.h"
#include "train/models/conv2d.h"
#include "train/models/fused_conv.h"

namespace fluke::train {
namespace {

namespace nn = torch::nn;

Conv2d Conv(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  Conv2d conv(in, out, kernel, stride, kernel / 2);
  // He initialisation on the outgoing side, as torchvision does.
  nn::init::kaiming_normal_(conv->weight, 0.0, torch::kFanOut, torch::kReLU);
  return conv;
}

// One residual unit: 3x3-3x3 (basic) or 1x1-3x3-1x1 (bottleneck), a 1x1 convolution on the shortcut
// where the shape changes.
class Block : public nn::Module {
 public:
  Block(int64_t in, int64_t width, int64_t stride, bool bottleneck) : bottleneck_(bottleneck) {
    const int64_t out = bottleneck ? 4 * width : width;
    conv1_ =
        register_module("conv1", bottleneck ? Conv(in, width, 1, 1) : Conv(in, width, 3, stride));
    bn1_ = register_module("bn1", nn::BatchNorm2d(width));
    conv2_ = register_module("conv2", Conv(width, width, 3, bottleneck ? stride : 1));
    bn2_ = register_module("bn2", nn::BatchNorm2d(width));
    if (bottleneck) {
      conv3_ = register_module("conv3", Conv(width, out, 1, 1));
      bn3_ = register_module("bn3", nn::BatchNorm2d(out));
    }
    if (stride != 1 || in != out) {
      shortcut_conv_ = Conv(in, out, 1, stride);
      shortcut_bn_ = nn::BatchNorm2d(out);
      register_module("downsample", nn::Sequential(shortcut_conv_, shortcut_bn_));
    }
  }

  void Fuse(at::ScalarType type) {
    fused1_ = FusedConv(conv1_, bn1_, type);
    fused2_ = FusedConv(conv2_, bn2_, type);
    if (bottleneck_) fused3_ = FusedConv(conv3_, bn3_, type);
    if (shortcut_conv_.is_empty()) return;
    fused_shortcut_ = FusedConv(shortcut_conv_, shortcut_bn_, type);
  }

  at::Tensor forward(const at::Tensor& x) {
    if (fused1_) return ForwardFused(x);
    const at::Tensor shortcut = shortcut_conv_.is_empty() ? x : shortcut_bn_(shortcut_conv_(x));
    at::Tensor y = bn2_(conv2_(bn1_(conv1_(x)).relu_()));
    if (bottleneck_) y = bn3_(conv3_(y.relu_()));
    return y.add_(shortcut).relu_();
  }

 private:
  // `x` is the block's own: it may be written to.
  at::Tensor ForwardFused(const at::Tensor& x) {
    const at::Tensor shortcut = fused_shortcut_ ? fused_shortcut_(x) : x;
    const at::Tensor y = fused1_.Relu(x);
    if (!fused3_) return fused2_.AddRelu(y, shortcut);
    return fused3_.AddRelu(fused2_.Relu(y), shortcut);
  }

  bool bottleneck_;
  Conv2d conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr}, shortcut_conv_{nullptr};
  nn::BatchNorm2d bn1_{nullptr}, bn2_{nullptr}, bn3_{nullptr}, shortcut_bn_{nullptr};
  FusedConv fused1_, fused2_, fused3_, fused_shortcut_;  // of Fuse
};

class Resnet : public Backbone {
 public:
  Resnet(const BackboneOptions& options, std::array<int, 4> depths, bool bottleneck)
      : small_stem_(options.small_stem) {
    int64_t in = options.width;
    conv1_ = register_module("conv1", small_stem_ ? Conv(options.in_channels, in, 3, 1)
                                                  : Conv(options.in_channels, in, 7, 2));
    bn1_ = register_module("bn1", nn::BatchNorm2d(in));
    for (int stage = 0; stage < 4; ++stage) {
      const int64_t width = options.width << stage;
      for (int block = 0; block < depths[stage]; ++block) {
        const int64_t stride = stage > 0 && block == 0 ? 2 : 1;
        layers_[stage]->push_back(std::make_shared<Block>(in, width, stride, bottleneck));
        in = bottleneck ? 4 * width : width;
      }
      register_module("layer" + std::to_string(stage + 1), layers_[stage]);
    }
    features_ = in;
  }

  at::Tensor forward(at::Tensor x) override {
    x = fused1_ ? fused1_.Relu(x) : bn1_(conv1_(x)).relu_();
    if (!small_stem_) x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
    for (auto& layer : layers_) {
      for (const auto& block : *layer) x = block->as<Block>()->forward(x);
    }
    return x;
  }

  void Fuse(at::ScalarType type) override {
    fused1_ = FusedConv(conv1_, bn1_, type);
    for (auto& layer : layers_) {
      for (const auto& block : *layer) block->as<Block>()->Fuse(type);
    }
  }

  int64_t features() const override { return features_; }

 private:
  bool small_stem_;
  int64_t features_ = 0;
  Conv2d conv1_{nullptr};
  nn::BatchNorm2d bn1_{nullptr};
  FusedConv fused1_;  // of Fuse
  std::array<nn::ModuleList, 4> layers_;
};

}  // namespace

std::shared_ptr<Backbone> MakeResnet18(const BackboneOptions& options) {
  return std::make_shared<Resnet>(options, std::array{2, 2, 2, 2}, false);
}

std::shared_ptr<Backbone> MakeResnet34(const BackboneOptions& options) {
  return std::make_shared<Resnet>(options, std::array{3, 4, 6, 3}, false);
}

std::shared_ptr<Backbone> MakeResnet50(const BackboneOptions& options) {
  return std::make_shared<Resnet>(options, std::array{3, 4, 6, 3}, true);
}

}  // namespace fluke::train
