#include <array>

#include "train/models/backbone.h"
#include "train/models/conv2d.h"
#include "train/models/fused_conv.h"

namespace fluke::train {
namespace {

namespace nn = torch::nn;

constexpr int64_t kGrowth = 32;
constexpr int64_t kBottleneck =
    4;  // a dense layer's 1x1 convolution gives kBottleneck * kGrowth channels

Conv2d Conv(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding) {
  Conv2d conv(in, out, kernel, stride, padding);
  nn::init::kaiming_normal_(conv->weight);
  return conv;
}

class DenseLayer : public nn::Module {
 public:
  explicit DenseLayer(int64_t in)
      : norm1_(in),
        conv1_(Conv(in, kBottleneck * kGrowth, 1, 1, 0)),
        norm2_(kBottleneck * kGrowth),
        conv2_(Conv(kBottleneck * kGrowth, kGrowth, 3, 1, 1)) {
    register_module("norm1", norm1_);
    register_module("conv1", conv1_);
    register_module("norm2", norm2_);
    register_module("conv2", conv2_);
  }

  at::Tensor forward(const at::Tensor& x) {
    const at::Tensor y = norm1_(x).relu_();
    return conv2_(fused1_ ? fused1_.Relu(y) : norm2_(conv1_(y)).relu_());
  }

  void Fuse(at::ScalarType type) { fused1_ = FusedConv(conv1_, norm2_, type); }

 private:
  nn::BatchNorm2d norm1_;
  Conv2d conv1_;
  nn::BatchNorm2d norm2_;
  Conv2d conv2_;
  FusedConv fused1_;  // conv1 and norm2, of Fuse
};

// Each layer sees what all layers before it made.
class DenseBlock : public nn::Module {
 public:
  DenseBlock(int64_t in, int layers) {
    for (int i = 0; i < layers; ++i) {
      layers_.push_back(register_module("denselayer" + std::to_string(i + 1),
                                        std::make_shared<DenseLayer>(in + i * kGrowth)));
    }
  }

  at::Tensor forward(at::Tensor x) {
    for (const auto& layer : layers_) x = at::cat({x, layer->forward(x)}, 1);
    return x;
  }

  void Fuse(at::ScalarType type) {
    for (const auto& layer : layers_) layer->Fuse(type);
  }

 private:
  std::vector<std::shared_ptr<DenseLayer>> layers_;
};

class Transition : public nn::Module {
 public:
  explicit Transition(int64_t in) : norm_(in), conv_(Conv(in, in / 2, 1, 1, 0)) {
    register_module("norm", norm_);
    register_module("conv", conv_);
  }

  at::Tensor forward(const at::Tensor& x) {
    return at::avg_pool2d(conv_(norm_(x).relu_()), {2, 2}, {2, 2});
  }

 private:
  nn::BatchNorm2d norm_;
  Conv2d conv_;
};

class Densenet : public Backbone {
 public:
  Densenet(const BackboneOptions& options, std::array<int, 4> depths) {
    auto features = std::make_shared<nn::Module>();
    int64_t channels = 2 * kGrowth;
    conv0_ = features->register_module("conv0", Conv(options.in_channels, channels, 7, 2, 3));
    norm0_ = features->register_module("norm0", nn::BatchNorm2d(channels));
    for (int i = 0; i < 4; ++i) {
      const std::string number = std::to_string(i + 1);
      blocks_[i] = features->register_module("denseblock" + number,
                                             std::make_shared<DenseBlock>(channels, depths[i]));
      channels += depths[i] * kGrowth;
      if (i == 3) break;
      transitions_[i] =
          features->register_module("transition" + number, std::make_shared<Transition>(channels));
      channels /= 2;
    }
    norm5_ = features->register_module("norm5", nn::BatchNorm2d(channels));
    channels_ = channels;
    register_module("features", features);
  }

  at::Tensor forward(at::Tensor x) override {
    x = fused0_ ? fused0_.Relu(x) : norm0_(conv0_(x)).relu_();
    x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
    for (int i = 0; i < 4; ++i) {
      x = blocks_[i]->forward(x);
      if (i < 3) x = transitions_[i]->forward(x);
    }
    return norm5_(x).relu_();
  }

  void Fuse(at::ScalarType type) override {
    fused0_ = FusedConv(conv0_, norm0_, type);
    for (const auto& block : blocks_) block->Fuse(type);
  }

  int64_t features() const override { return channels_; }

 private:
  int64_t channels_ = 0;
  Conv2d conv0_{nullptr};
  nn::BatchNorm2d norm0_{nullptr}, norm5_{nullptr};
  FusedConv fused0_;  // conv0 and norm0, of Fuse
  std::array<std::shared_ptr<DenseBlock>, 4> blocks_;
  std::array<std::shared_ptr<Transition>, 3> transitions_;
};

}  // namespace

std::shared_ptr<Backbone> MakeDensenet121(const BackboneOptions& options) {
  return std::make_shared<Densenet>(options, std::array{6, 12, 24, 16});
}

}  // namespace fluke::train
