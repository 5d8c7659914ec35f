#include <array>

#include "train/models/backbone.h"
#include "train/models/conv2d.h"

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
      downsample_ = register_module("downsample",
                                    nn::Sequential(Conv(in, out, 1, stride), nn::BatchNorm2d(out)));
    }
  }

  at::Tensor forward(const at::Tensor& x) {
    const at::Tensor shortcut = downsample_.is_empty() ? x : downsample_->forward(x);
    at::Tensor y = bn2_(conv2_(bn1_(conv1_(x)).relu_()));
    if (bottleneck_) y = bn3_(conv3_(y.relu_()));
    return y.add_(shortcut).relu_();
  }

 private:
  bool bottleneck_;
  Conv2d conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr};
  nn::BatchNorm2d bn1_{nullptr}, bn2_{nullptr}, bn3_{nullptr};
  nn::Sequential downsample_{nullptr};
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
    x = bn1_(conv1_(x)).relu_();
    if (!small_stem_) x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
    for (auto& layer : layers_) {
      for (const auto& block : *layer) x = block->as<Block>()->forward(x);
    }
    return x;
  }

  int64_t features() const override { return features_; }

 private:
  bool small_stem_;
  int64_t features_ = 0;
  Conv2d conv1_{nullptr};
  nn::BatchNorm2d bn1_{nullptr};
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
