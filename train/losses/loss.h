// Metric-learning losses: embeddings and labels in, one number out. Each is one row of kLosses; a
// config's loss is a weighted sum of rows by name.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/config.h"
#include "fluke/v1/config.pb.h"
#include "train/torch.h"

namespace fluke::train {

// A loss may own weights (class centres): they are trained and saved beside the network's.
class Loss : public torch::nn::Module {
 public:
  // embeddings: N x D float32, not normalised; labels: N int64, 0 <= label < classes; weights: N
  // float32, how much each photograph counts (undefined: all the same). Means are divided by the
  // sum of the weights, as PyTorch's cross entropy does. Returns a scalar.
  virtual at::Tensor forward(const at::Tensor& embeddings, const at::Tensor& labels,
                             const at::Tensor& weights = {}) = 0;
};

struct LossParam {
  std::string_view name;
  double fallback;
  double min, max;
  std::string_view help;
};

// Values of a row's parameters by name, complete and in range.
using LossParams = std::map<std::string, double, std::less<>>;

struct LossContext {
  int64_t dim = 0;
  int64_t classes = 0;
  std::string miner;  // "" = the loss's default
};

struct LossRow {
  std::string_view name;
  std::shared_ptr<Loss> (*make)(const LossContext& context, const LossParams& params);
  std::span<const LossParam> params;
  std::string_view help;
};

std::span<const LossRow> Losses();

// The weighted sum that a config asks for. Its weights are named "<term>.<loss>.weight", e.g.
// "0.arcface.weight".
class LossSum : public Loss {
 public:
  // Throws InvalidArgument naming file and line for an unknown loss, miner or parameter, or one out
  // of range.
  LossSum(const google::protobuf::RepeatedPtrField<fluke::v1::LossTerm>& terms,
          const ConfigSource& source, int64_t dim, int64_t classes);
  at::Tensor forward(const at::Tensor& embeddings, const at::Tensor& labels,
                     const at::Tensor& weights = {}) override;

 private:
  struct Term {
    double weight;
    std::shared_ptr<Loss> loss;
  };
  std::vector<Term> terms_;
};

}  // namespace fluke::train
