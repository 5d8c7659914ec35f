// Images -> embedding: backbone, global pooling, then the whale recipe's head: dropout -> Linear ->
// BatchNorm1d.
#pragma once

#include <memory>

#include "fluke/v1/config.pb.h"
#include "train/models/backbone.h"
#include "train/models/pooling.h"
#include "train/torch.h"

namespace fluke::train {

// Parameter names: the backbone's own (torchvision's), then pool.* and head.{linear,bn}.*.
class EmbeddingNetwork : public torch::nn::Module {
 public:
  // Throws InvalidArgument for an unknown backbone or pooling.
  EmbeddingNetwork(const fluke::v1::Model& config, int64_t in_channels);

  // images: N x C x H x W, normalised -> N x dim, float32, not normalised to length 1.
  at::Tensor forward(const at::Tensor& images);

  // From now on only used: Backbone::Fuse.
  void Fuse(at::ScalarType type) { backbone_->Fuse(type); }

  int64_t dim() const { return dim_; }

 private:
  std::shared_ptr<Backbone> backbone_;
  std::shared_ptr<Pooling> pool_;
  torch::nn::Dropout dropout_{nullptr};
  torch::nn::Linear linear_{nullptr};
  torch::nn::BatchNorm1d bn_{nullptr};
  int64_t dim_;
};

}  // namespace fluke::train
