#include "train/models/pooling.h"

namespace fluke::train {
namespace {

class AveragePooling : public Pooling {
 public:
  at::Tensor forward(const at::Tensor& x) override { return x.mean({2, 3}); }
};

class MaxPooling : public Pooling {
 public:
  at::Tensor forward(const at::Tensor& x) override { return x.amax({2, 3}); }
};

// (mean x^p)^(1/p), p learned (Radenovic, Tolias, Chum 2018, equation 3); in float32, where x^p
// keeps its range.
class GemPooling : public Pooling {
 public:
  explicit GemPooling(double p) { p_ = register_parameter("p", torch::full({1}, p)); }
  at::Tensor forward(const at::Tensor& x) override {
    return x.to(torch::kFloat).clamp_min(1e-6).pow(p_).mean({2, 3}).pow(p_.reciprocal());
  }

 private:
  at::Tensor p_;
};

class ConcatPooling : public Pooling {
 public:
  at::Tensor forward(const at::Tensor& x) override {
    return at::cat({x.mean({2, 3}), x.amax({2, 3})}, 1);
  }
  int64_t multiple() const override { return 2; }
};

constexpr PoolingRow kPoolings[] = {
    {"avg", [](double) -> std::shared_ptr<Pooling> { return std::make_shared<AveragePooling>(); },
     "mean over the map"},
    {"max", [](double) -> std::shared_ptr<Pooling> { return std::make_shared<MaxPooling>(); },
     "maximum over the map"},
    {"gem", [](double p) -> std::shared_ptr<Pooling> { return std::make_shared<GemPooling>(p); },
     "generalised mean with a learned power (Radenovic et al. 2018)"},
    {"concat", [](double) -> std::shared_ptr<Pooling> { return std::make_shared<ConcatPooling>(); },
     "average and max, one after the other (fastai)"},
};

}  // namespace

std::span<const PoolingRow> Poolings() { return kPoolings; }

}  // namespace fluke::train
