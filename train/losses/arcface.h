// ArcFace (Deng et al. 2019, "Additive Angular Margin Loss", equation 3):
//   CE(s cos(theta_j + m [j = y])),  cos theta_j = x . w_j  for unit embeddings x and unit class
//   weights w.
// Past theta = pi - m, where cos(theta + m) would rise again, cos theta - m sin m is used
// (insightface).
#pragma once

#include "train/losses/loss.h"

namespace fluke::train {

class ArcFace : public Loss {
 public:
  ArcFace(int64_t classes, int64_t dim, double scale, double margin_rad);
  at::Tensor forward(const at::Tensor& embeddings, const at::Tensor& labels,
                     const at::Tensor& weights = {}) override;

  // classes x dim, Xavier-initialised; trained with the network.
  at::Tensor weight;

 private:
  double scale_;
  double margin_rad_;
};

extern const std::span<const LossParam> kArcFaceParams;
std::shared_ptr<Loss> MakeArcFace(const LossContext& context, const LossParams& params);

}  // namespace fluke::train
