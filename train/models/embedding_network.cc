#include "train/models/embedding_network.h"

#include <string>

#include "common/table.h"

namespace fluke::train {

EmbeddingNetwork::EmbeddingNetwork(const fluke::v1::Model& config, int64_t in_channels)
    : dim_(config.dim()) {
  backbone_ = Find(Backbones(), "backbone", config.backbone())
                  .make({.in_channels = in_channels,
                         .width = config.width(),
                         .small_stem = config.small_stem()});
  pool_ = Find(Poolings(), "pooling", config.pooling()).make(config.gem_p());
  // The backbone's parts are registered here one by one, so that their names carry no prefix.
  for (const auto& child : backbone_->named_children()) register_module(child.key(), child.value());
  register_module("pool", pool_);
  dropout_ = torch::nn::Dropout(config.dropout());
  linear_ = torch::nn::Linear(backbone_->features() * pool_->multiple(), dim_);
  auto head = register_module("head", std::make_shared<torch::nn::Module>());
  head->register_module("dropout", dropout_);
  head->register_module("linear", linear_);
  if (config.batch_norm()) bn_ = head->register_module("bn", torch::nn::BatchNorm1d(dim_));
}

at::Tensor EmbeddingNetwork::forward(const at::Tensor& images) {
  at::Tensor x = linear_(dropout_(pool_->forward(backbone_->forward(images))));
  x = x.to(torch::kFloat);
  return bn_.is_empty() ? x : bn_(x);
}

}  // namespace fluke::train
