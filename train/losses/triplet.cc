#include "train/losses/triplet.h"

#include <limits>

#include "common/table.h"
#include "train/unit_rows.h"

namespace fluke::train {
namespace {

constexpr LossParam kTripletParamRows[] = {
    {"margin", 0.2, 0, 10, "m"},
    {"soft", 0, 0, 1, "1: log(1 + exp(d_ap - d_an)) instead of the hinge"},
    {"euclidean", 0, 0, 1, "1: Euclidean distance; 0: 1 - cosine similarity"},
    {"swap", 0, 0, 1, "1: distance swap (Balntas et al. 2016)"},
};

// Below every sum of weights that counts.
constexpr double kLeastWeight = 1e-12;

// N x N: same identity, another photograph.
at::Tensor PositivePairs(const at::Tensor& labels) {
  at::Tensor same = labels.unsqueeze(0) == labels.unsqueeze(1);
  same.fill_diagonal_(false);
  return same;
}

at::Tensor NegativePairs(const at::Tensor& labels) {
  return labels.unsqueeze(0) != labels.unsqueeze(1);
}

// Every (a, p, n) with `keep`, an N x N x N mask.
Triplets FromMask(const at::Tensor& keep) {
  const at::Tensor rows = keep.nonzero();
  return {rows.select(1, 0), rows.select(1, 1), rows.select(1, 2)};
}

at::Tensor AllTriplets(const at::Tensor& labels) {
  return PositivePairs(labels).unsqueeze(2) & NegativePairs(labels).unsqueeze(1);
}

Triplets MineAll(const at::Tensor&, const at::Tensor& labels, double) {
  return FromMask(AllTriplets(labels));
}

// Negatives further than the positive but within the margin (Schroff et al. 2015).
Triplets MineSemiHard(const at::Tensor& distance, const at::Tensor& labels, double margin) {
  const at::Tensor gap = distance.unsqueeze(1) - distance.unsqueeze(2);  // [a, p, n] = d_an - d_ap
  return FromMask(AllTriplets(labels) & (gap > 0) & (gap <= margin));
}

// An anchor's furthest positive and nearest negative (Hermans et al. 2017).
Triplets MineBatchHard(const at::Tensor& distance, const at::Tensor& labels, double) {
  const double infinity = std::numeric_limits<double>::infinity();
  const at::Tensor positives = PositivePairs(labels);
  const at::Tensor negatives = NegativePairs(labels);
  const at::Tensor anchor = (positives.any(1) & negatives.any(1)).nonzero().squeeze(1);
  const at::Tensor hardest_positive = distance.masked_fill(~positives, -infinity).argmax(1);
  const at::Tensor hardest_negative = distance.masked_fill(~negatives, infinity).argmin(1);
  return {anchor, hardest_positive.index_select(0, anchor),
          hardest_negative.index_select(0, anchor)};
}

constexpr MinerRow kMiners[] = {
    {"all", MineAll, "every triplet of the batch"},
    {"batch-hard", MineBatchHard,
     "each anchor's furthest positive and nearest negative (Hermans et al. 2017)"},
    {"semi-hard", MineSemiHard,
     "negatives beyond the positive, within the margin (Schroff et al. 2015)"},
};

}  // namespace

const std::span<const LossParam> kTripletParams = kTripletParamRows;

std::span<const MinerRow> Miners() { return kMiners; }

at::Tensor Triplet::forward(const at::Tensor& embeddings, const at::Tensor& labels,
                            const at::Tensor& weights) {
  const at::Tensor x = UnitRows(embeddings);
  const at::Tensor cosine = at::matmul(x, x.t());
  // |a - b|^2 = 2 - 2 cos for unit rows; the floor keeps the root's gradient finite.
  const at::Tensor distance =
      options_.euclidean ? (2 - 2 * cosine).clamp_min(1e-8).sqrt() : 1 - cosine;
  const Triplets mined = miner_.mine(distance.detach(), labels, options_.margin);
  const at::Tensor d_ap = distance.index({mined.anchor, mined.positive});
  at::Tensor d_an = distance.index({mined.anchor, mined.negative});
  if (options_.swap) d_an = at::minimum(d_an, distance.index({mined.positive, mined.negative}));
  // x.sum() * 0: a batch without an unsatisfied triplet gives zero with a gradient path.
  const at::Tensor nothing = x.sum() * 0;
  if (mined.anchor.numel() == 0) return nothing;
  const at::Tensor heavy =
      weights.defined() ? weights.index_select(0, mined.anchor) : at::ones_like(d_ap.detach());
  if (options_.soft) return (heavy * at::softplus(d_ap - d_an)).sum() / heavy.sum();
  const at::Tensor violation = at::relu(d_ap - d_an + options_.margin);
  const at::Tensor counted = heavy * (violation > 0);
  return (heavy * violation).sum() / counted.sum().clamp_min(kLeastWeight) + nothing;
}

std::shared_ptr<Loss> MakeTriplet(const LossContext& context, const LossParams& params) {
  const std::string miner = context.miner.empty() ? "semi-hard" : context.miner;
  return std::make_shared<Triplet>(Find(Miners(), "miner", miner),
                                   Triplet::Options{.margin = params.at("margin"),
                                                    .soft = params.at("soft") != 0,
                                                    .euclidean = params.at("euclidean") != 0,
                                                    .swap = params.at("swap") != 0});
}

}  // namespace fluke::train
