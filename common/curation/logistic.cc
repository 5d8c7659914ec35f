#include "common/curation/logistic.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <opencv2/core.hpp>

#include "common/error.h"
#include "common/metrics/verification.h"

namespace fluke {
namespace {

constexpr int kMostSteps = 100;
constexpr double kConverged = 1e-10;  // relative change of the objective

double Sigmoid(double z) {
  return z >= 0 ? 1 / (1 + std::exp(-z)) : std::exp(z) / (1 + std::exp(z));
}

// log(1 + exp(z)) without overflow.
double Softplus(double z) { return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))); }

// The objective at weights + bias (d + 1 rows) and, where asked for, its gradient and Hessian.
class Objective {
 public:
  // x: n x (d + 1), a column of ones last.
  Objective(const cv::Mat& x, std::span<const uint8_t> labels, double c)
      : x_(x), labels_(labels), penalty_(1 / c) {}

  double Value(const cv::Mat& at) const {
    const cv::Mat z = x_ * at;
    double value = penalty_ / 2 * Squares(at);
    for (int i = 0; i < z.rows; ++i)
      value += Softplus(labels_[i] != 0 ? -z.at<double>(i) : z.at<double>(i));
    return value;
  }

  // The Newton step from here.
  cv::Mat Step(const cv::Mat& at) const {
    const cv::Mat z = x_ * at;
    cv::Mat residual(z.rows, 1, CV_64F), scaled = x_.clone();
    for (int i = 0; i < z.rows; ++i) {
      const double p = Sigmoid(z.at<double>(i));
      residual.at<double>(i) = p - labels_[i];
      scaled.row(i) *= std::sqrt(std::max(p * (1 - p), 1e-12));
    }
    cv::Mat gradient = x_.t() * residual, hessian, step;
    cv::mulTransposed(scaled, hessian, true);
    for (int j = 0; j + 1 < at.rows; ++j) {
      gradient.at<double>(j) += penalty_ * at.at<double>(j);
      hessian.at<double>(j, j) += penalty_;
    }
    if (!cv::solve(hessian, -gradient, step, cv::DECOMP_CHOLESKY))
      cv::solve(hessian, -gradient, step, cv::DECOMP_SVD);
    return step;
  }

 private:
  static double Squares(const cv::Mat& at) {
    const cv::Mat weights = at.rowRange(0, at.rows - 1);
    return weights.empty() ? 0 : weights.dot(weights);
  }

  const cv::Mat& x_;
  std::span<const uint8_t> labels_;
  double penalty_;
};

}  // namespace

double LogisticModel::Probability(std::span<const double> x) const {
  return Sigmoid(std::inner_product(weights.begin(), weights.end(), x.begin(), bias));
}

LogisticModel FitLogistic(const cv::Mat& x, std::span<const uint8_t> labels, double c) {
  const auto ones = std::count(labels.begin(), labels.end(), uint8_t{1});
  if (static_cast<size_t>(x.rows) != labels.size() || ones == 0 || ones == x.rows) {
    InvalidArgument("logistic regression of ", x.rows, " examples, ", labels.size(), " labels, ",
                    ones, " of them 1; both labels are needed");
  }
  cv::Mat with_bias(x.rows, x.cols + 1, CV_64F, cv::Scalar(1));
  if (x.cols > 0) x.copyTo(with_bias.colRange(0, x.cols));
  const Objective objective(with_bias, labels, c);
  cv::Mat at = cv::Mat::zeros(x.cols + 1, 1, CV_64F);
  double value = objective.Value(at);
  for (int steps = 0; steps < kMostSteps; ++steps) {
    cv::Mat step = objective.Step(at);
    double next = objective.Value(at + step);
    while (!(next <= value) && cv::norm(step) > 1e-12) {
      step *= .5;
      next = objective.Value(at + step);
    }
    at += step;
    const bool converged = value - next <= kConverged * std::abs(value);
    value = next;
    if (converged) break;
  }
  LogisticModel model;
  for (int j = 0; j < x.cols; ++j) model.weights.push_back(at.at<double>(j));
  model.bias = at.at<double>(x.cols);
  return model;
}

double AreaUnderRoc(std::span<const double> scores, std::span<const uint8_t> labels) {
  std::vector<double> ones, zeros;
  for (size_t i = 0; i < scores.size(); ++i) (labels[i] != 0 ? ones : zeros).push_back(scores[i]);
  if (ones.empty() || zeros.empty()) return std::numeric_limits<double>::quiet_NaN();
  return Auroc(ones, zeros);
}

}  // namespace fluke
