#include "train/models/backbone.h"
#include "train/models/conv2d.h"
#include "train/models/fused_conv.h"

namespace fluke::train {
namespace {

namespace nn = torch::nn;

// Four times conv 3x3 - batch norm - ReLU - max pool 2x2: the "Conv-4" of the few-shot literature
// (Vinyals et al. 2016).
class Conv4 : public Backbone {
 public:
  explicit Conv4(const BackboneOptions& options) : width_(options.width) {
    int64_t in = options.in_channels;
    for (int layer = 0; layer < 4; ++layer) {
      Conv2d conv(in, width_, 3, 1, 1);
      nn::init::kaiming_normal_(conv->weight, 0.0, torch::kFanOut, torch::kReLU);
      features_->push_back(conv);
      features_->push_back(nn::BatchNorm2d(width_));
      in = width_;
    }
    register_module("features", features_);
  }

  at::Tensor forward(at::Tensor x) override {
    for (size_t layer = 0; layer < 4; ++layer) {
      if (!fused_.empty()) {
        x = fused_[layer].Relu(x);
      } else {
        x = features_[2 * layer]->as<Conv2d>()->forward(x);
        x = features_[2 * layer + 1]->as<nn::BatchNorm2d>()->forward(x).relu_();
      }
      // The last pooling would leave nothing of a map that is one pixel wide or high.
      if (x.size(2) > 1 && x.size(3) > 1) x = at::max_pool2d(x, {2, 2});
    }
    return x;
  }

  void Fuse(at::ScalarType type) override {
    for (size_t layer = 0; layer < 4; ++layer) {
      Conv2d conv(features_->ptr<Conv2dImpl>(2 * layer));
      nn::BatchNorm2d norm(features_->ptr<nn::BatchNorm2dImpl>(2 * layer + 1));
      fused_.emplace_back(conv, norm, type);
    }
  }

  int64_t features() const override { return width_; }

 private:
  int64_t width_;
  nn::ModuleList features_;
  std::vector<FusedConv> fused_;  // of Fuse, one a layer
};

}  // namespace

std::shared_ptr<Backbone> MakeConv4(const BackboneOptions& options) {
  return std::make_shared<Conv4>(options);
}

}  // namespace fluke::train
