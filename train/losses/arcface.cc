#include "train/losses/arcface.h"

#include <cmath>

#include "train/unit_rows.h"

namespace fluke::train {
namespace {

constexpr LossParam kArcFaceParamRows[] = {
    {"scale", 64, 0.1, 1000, "s; 64 in the paper, 30 in the whale recipe"},
    {"margin_rad", 0.5, 0, 1.5, "m, radians"},
};

}  // namespace

const std::span<const LossParam> kArcFaceParams = kArcFaceParamRows;

ArcFace::ArcFace(int64_t classes, int64_t dim, double scale, double margin_rad)
    : scale_(scale), margin_rad_(margin_rad) {
  weight = register_parameter("weight", torch::empty({classes, dim}));
  torch::nn::init::xavier_normal_(weight);
}

at::Tensor ArcFace::forward(const at::Tensor& embeddings, const at::Tensor& labels,
                            const at::Tensor& weights) {
  const at::Tensor x = UnitRows(embeddings);
  const at::Tensor cosine = at::matmul(x, UnitRows(weight).t());
  const at::Tensor column = labels.unsqueeze(1);
  const at::Tensor target = cosine.gather(1, column);
  const at::Tensor sine = (1 - target.square()).clamp_min(1e-12).sqrt();
  const at::Tensor with_margin = target * std::cos(margin_rad_) - sine * std::sin(margin_rad_);
  const at::Tensor past = target - margin_rad_ * std::sin(margin_rad_);
  const at::Tensor kept = at::where(target > -std::cos(margin_rad_), with_margin, past);
  const at::Tensor logits = scale_ * cosine.scatter(1, column, kept);
  if (!weights.defined()) return at::cross_entropy_loss(logits, labels);
  const at::Tensor each = at::cross_entropy_loss(logits, labels, {}, at::Reduction::None);
  return (each * weights).sum() / weights.sum();
}

std::shared_ptr<Loss> MakeArcFace(const LossContext& context, const LossParams& params) {
  return std::make_shared<ArcFace>(context.classes, context.dim, params.at("scale"),
                                   params.at("margin_rad"));
}

}  // namespace fluke::train
