// Backbones: the part of a network that turns images into a feature map. Parameter names are
// torchvision's, so that weights users bring load by name.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "train/torch.h"

namespace fluke::train {

class Backbone : public torch::nn::Module {
 public:
  // images: N x C x H x W -> features: N x features() x h x w.
  virtual at::Tensor forward(at::Tensor images) = 0;
  // From now on only used, on the CPU, as it is now, without gradients: forward computes in `type`
  // (float32, bfloat16; CanFuse of fused_conv.h), some layers as one, equal up to rounding. Calls
  // of forward must not overlap then.
  virtual void Fuse(at::ScalarType type) = 0;
  // Channels of the feature map.
  virtual int64_t features() const = 0;
};

struct BackboneOptions {
  int64_t in_channels = 3;
  int64_t width = 64;       // channels of conv4's layers and of a resnet's first stage
  bool small_stem = false;  // resnets: for pictures of about 32 pixels
};

struct BackboneRow {
  std::string_view name;
  std::shared_ptr<Backbone> (*make)(const BackboneOptions& options);
  std::string_view help;
};

std::span<const BackboneRow> Backbones();

std::shared_ptr<Backbone> MakeConv4(const BackboneOptions& options);
std::shared_ptr<Backbone> MakeResnet18(const BackboneOptions& options);
std::shared_ptr<Backbone> MakeResnet34(const BackboneOptions& options);
std::shared_ptr<Backbone> MakeResnet50(const BackboneOptions& options);
std::shared_ptr<Backbone> MakeDensenet121(const BackboneOptions& options);

}  // namespace fluke::train
