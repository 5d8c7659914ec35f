#include "index/local/score_calibration.h"

#include <algorithm>
#include <cmath>

#include "common/error.h"

namespace fluke {
namespace {

using nlohmann::json;

constexpr int kNewtonSteps = 100;
constexpr double kConverged = 1e-10, kShortestStep = 1e-10;
constexpr double kRidge = 1e-9;  // keeps the Hessian invertible where the kinds are apart

constexpr CalibrationMethod kMethods[] = {
    {"isotonic", FitIsotonic, "any rising curve (pool adjacent violators)"},
    {"logistic", FitLogistic, "an S-shaped curve of two numbers (Platt); strictly rising"},
};

void CheckPairs(std::span<const ScoredPair> pairs) {
  int64_t same = 0;
  for (const ScoredPair& pair : pairs) {
    if (!std::isfinite(pair.score)) InvalidArgument("calibration: a score is not finite");
    same += pair.same ? 1 : 0;
  }
  const auto all = static_cast<int64_t>(pairs.size());
  if (same == 0 || same == all) {
    InvalidArgument("calibration: ", same, " pairs of the same individual and ", all - same,
                    " of different ones; some of both are needed");
  }
}

double Logistic(double x) {
  // exp of what is negative alone does not overflow.
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

// A stretch of scores that share a probability.
struct Pool {
  double low = 0, high = 0;
  double same = 0, count = 0;
  double probability() const { return same / count; }
};

}  // namespace

double ScoreCalibration::Probability(double score) const {
  if (method == "logistic") return Logistic(slope * score + offset);
  if (points.empty()) return 0;
  const auto after = std::upper_bound(points.begin(), points.end(), score,
                                      [](double s, const Point& point) { return s < point.score; });
  if (after == points.begin()) return points.front().probability;
  if (after == points.end()) return points.back().probability;
  const Point &low = *(after - 1), &high = *after;
  const double share = (score - low.score) / (high.score - low.score);
  return low.probability + share * (high.probability - low.probability);
}

ScoreCalibration FitIsotonic(std::span<const ScoredPair> pairs) {
  CheckPairs(pairs);
  std::vector<ScoredPair> sorted(pairs.begin(), pairs.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const ScoredPair& a, const ScoredPair& b) { return a.score < b.score; });
  std::vector<Pool> pools;
  for (size_t i = 0; i < sorted.size(); ++i) {
    const Pool one{.low = sorted[i].score,
                   .high = sorted[i].score,
                   .same = sorted[i].same ? 1. : 0.,
                   .count = 1};
    if (i > 0 && sorted[i].score == sorted[i - 1].score) {  // equal scores stay together
      pools.back().same += one.same;
      pools.back().count += 1;
    } else {
      pools.push_back(one);
    }
  }
  std::vector<Pool> rising;
  for (Pool pool : pools) {
    while (!rising.empty() && rising.back().probability() >= pool.probability()) {
      pool = {.low = rising.back().low,
              .high = pool.high,
              .same = rising.back().same + pool.same,
              .count = rising.back().count + pool.count};
      rising.pop_back();
    }
    rising.push_back(pool);
  }
  ScoreCalibration calibration{.method = "isotonic"};
  for (const Pool& pool : rising) {
    calibration.points.push_back({.score = pool.low, .probability = pool.probability()});
    if (pool.high > pool.low) {
      calibration.points.push_back({.score = pool.high, .probability = pool.probability()});
    }
  }
  return calibration;
}

ScoreCalibration FitLogistic(std::span<const ScoredPair> pairs) {
  CheckPairs(pairs);
  const auto count = static_cast<double>(pairs.size());
  double mean = 0, variance = 0, same = 0;
  for (const ScoredPair& pair : pairs) {
    mean += pair.score / count;
    same += pair.same ? 1 : 0;
  }
  for (const ScoredPair& pair : pairs)
    variance += (pair.score - mean) * (pair.score - mean) / count;
  const double deviation = variance > 0 ? std::sqrt(variance) : 1;
  const double target_same = (same + 1) / (same + 2), target_other = 1 / (count - same + 2);
  const auto x = [&](const ScoredPair& pair) { return (pair.score - mean) / deviation; };
  const auto target = [&](const ScoredPair& pair) {
    return pair.same ? target_same : target_other;
  };
  // Cross-entropy; of p's and 1 - p's logarithm the one that does not overflow.
  const auto loss = [&](double slope, double offset) {
    double sum = 0;
    for (const ScoredPair& pair : pairs) {
      const double z = slope * x(pair) + offset;
      sum += std::max(z, 0.) - z * target(pair) + std::log1p(std::exp(-std::abs(z)));
    }
    return sum;
  };
  double slope = 0, offset = std::log((same + 1) / (count - same + 1));
  for (int step = 0; step < kNewtonSteps; ++step) {
    double g0 = 0, g1 = 0, h00 = kRidge, h01 = 0, h11 = kRidge;
    for (const ScoredPair& pair : pairs) {
      const double p = Logistic(slope * x(pair) + offset);
      const double residual = p - target(pair), weight = p * (1 - p);
      g0 += residual;
      g1 += residual * x(pair);
      h00 += weight;
      h01 += weight * x(pair);
      h11 += weight * x(pair) * x(pair);
    }
    const double determinant = h00 * h11 - h01 * h01;
    const double d0 = (h11 * g0 - h01 * g1) / determinant;
    const double d1 = (h00 * g1 - h01 * g0) / determinant;
    // Half as far until it pays (Lin, Lin and Weng, 2007): where the kinds are nearly apart, whole
    // steps overshoot.
    const double before = loss(slope, offset), descent = g0 * d0 + g1 * d1;
    double length = 1;
    while (length > kShortestStep &&
           !(loss(slope - length * d1, offset - length * d0) <= before - 1e-4 * length * descent)) {
      length /= 2;
    }
    if (length <= kShortestStep) break;
    offset -= length * d0;
    slope -= length * d1;
    if (std::abs(d0) + std::abs(d1) < kConverged) break;
  }
  // A score that says nothing, or the opposite, shall not turn the order round.
  slope = std::max(0., slope);
  return {.method = "logistic",
          .points = {},
          .slope = slope / deviation,
          .offset = offset - slope * mean / deviation};
}

std::span<const CalibrationMethod> CalibrationMethods() { return kMethods; }

json CalibrationToJson(const ScoreCalibration& calibration) {
  json points = json::array();
  for (const auto& point : calibration.points) {
    points.push_back({point.score, point.probability});
  }
  return {{"method", calibration.method},
          {"points", points},
          {"slope", calibration.slope},
          {"offset", calibration.offset}};
}

ScoreCalibration CalibrationFromJson(const json& document) {
  ScoreCalibration calibration{.method = document.at("method").get<std::string>(),
                               .points = {},
                               .slope = document.at("slope").get<double>(),
                               .offset = document.at("offset").get<double>()};
  for (const json& point : document.at("points")) {
    calibration.points.push_back(
        {.score = point.at(0).get<double>(), .probability = point.at(1).get<double>()});
  }
  return calibration;
}

}  // namespace fluke
