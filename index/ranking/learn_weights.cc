#include "index/ranking/learn_weights.h"

#include <cmath>
#include <numeric>

#include "common/error.h"
#include "common/metrics/search.h"
#include "index/ranking/gallery.h"

namespace fluke::ranking {
namespace {

class Trial {
 public:
  Trial(std::span<const float> vectors, std::span<const int64_t> identities,
        std::span<const int64_t> dimensions, const std::string& metric)
      : vectors_(vectors),
        identities_(identities),
        dimensions_(dimensions),
        width_(
            static_cast<size_t>(std::accumulate(dimensions.begin(), dimensions.end(), int64_t{0}))),
        metric_({metric}) {
    if (dimensions_.empty() || vectors_.size() != identities_.size() * width_) {
      InvalidArgument("the parts have ", width_, " dimensions together, the vectors have ",
                      identities_.empty() ? 0 : vectors_.size() / identities_.size());
    }
  }

  double Metric(const std::vector<double>& weights) const {
    std::vector<float> weighted(vectors_.begin(), vectors_.end());
    for (size_t begin = 0; begin < weighted.size(); begin += width_) {
      const auto row = std::span(weighted).subspan(begin, width_);
      size_t column = 0;
      for (size_t part = 0; part < weights.size(); ++part) {
        const auto values = row.subspan(column, static_cast<size_t>(dimensions_[part]));
        ToUnitLength(values);
        for (float& value : values) value = static_cast<float>(value * std::sqrt(weights[part]));
        column += values.size();
      }
      ToUnitLength(row);
    }
    return EvaluateLeaveOneOut(weighted, static_cast<int64_t>(identities_.size()),
                               static_cast<int64_t>(width_), identities_, metric_)
        .metrics.front()
        .value;
  }

 private:
  std::span<const float> vectors_;
  std::span<const int64_t> identities_;
  std::span<const int64_t> dimensions_;
  size_t width_;
  std::vector<std::string> metric_;
};

}  // namespace

LearnedWeights LearnWeights(std::span<const float> vectors, std::span<const int64_t> identities,
                            std::span<const int64_t> dimensions, const std::string& metric) {
  const Trial trial(vectors, identities, dimensions, metric);
  std::vector<double> weights(dimensions.size(), 1);
  LearnedWeights learned;
  learned.metric_before = learned.metric = trial.Metric(weights);
  for (double factor = 8; factor > 1.5;) {
    bool rises = false;
    for (size_t part = 0; part < weights.size(); ++part) {
      for (const double times : {factor, 1 / factor}) {
        std::vector<double> changed = weights;
        changed[part] *= times;
        const double metric_then = trial.Metric(changed);
        if (metric_then <= learned.metric) continue;
        learned.metric = metric_then;
        weights = changed;
        rises = true;
      }
    }
    if (!rises) factor = std::sqrt(factor);  // 8, 2.83, 1.68
  }
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= sum;
  learned.weights = std::move(weights);
  return learned;
}

}  // namespace fluke::ranking
