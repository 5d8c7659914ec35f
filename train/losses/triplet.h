// Triplet loss on cosine similarity or Euclidean distance of unit embeddings (Schroff et al. 2015,
// "FaceNet", equation 3):
//   mean over the mined triplets of max(0, d_ap - d_an + m), counting only those that are not yet
//   satisfied (pytorch-metric-learning's default reducer), each as heavy as its anchor. The soft
//   variant is log(1 + exp(d_ap - d_an)) (Hermans et al. 2017).
#pragma once

#include "train/losses/loss.h"

namespace fluke::train {

// Rows of a batch: anchor, positive, negative; three int64 tensors of one length.
struct Triplets {
  at::Tensor anchor, positive, negative;
};

// distance: N x N of all pairs, labels: N. No gradient flows through a miner.
struct MinerRow {
  std::string_view name;
  Triplets (*mine)(const at::Tensor& distance, const at::Tensor& labels, double margin);
  std::string_view help;
};

std::span<const MinerRow> Miners();

class Triplet : public Loss {
 public:
  struct Options {
    double margin = 0.2;
    bool soft = false;
    bool euclidean = false;  // Euclidean distance instead of 1 - cosine
    bool swap = false;       // use d_pn where it is smaller than d_an (Balntas et al. 2016)
  };
  Triplet(const MinerRow& miner, const Options& options) : miner_(miner), options_(options) {}
  at::Tensor forward(const at::Tensor& embeddings, const at::Tensor& labels,
                     const at::Tensor& weights = {}) override;

 private:
  const MinerRow& miner_;
  Options options_;
};

extern const std::span<const LossParam> kTripletParams;
std::shared_ptr<Loss> MakeTriplet(const LossContext& context, const LossParams& params);

}  // namespace fluke::train
