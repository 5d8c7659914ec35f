// Logistic regression and the area under the ROC curve: a small classifier whose optimum is unique,
// so that it depends on the data alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <opencv2/core/mat.hpp>

namespace fluke {

// P(label 1 | x) = 1 / (1 + exp(-(weights . x + bias))).
struct LogisticModel {
  std::vector<double> weights;
  double bias = 0;

  double Probability(std::span<const double> x) const;
};

// Minimises sum_i log(1 + exp(-y_i f(x_i))) + |weights|^2 / (2 c), y = +-1, the bias not penalised
// (scikit-learn's LogisticRegression(C=c)), by Newton's method. x: n x d, CV_64F; labels: 0 or 1,
// of both some. Throws InvalidArgument otherwise.
LogisticModel FitLogistic(const cv::Mat& x, std::span<const uint8_t> labels, double c);

// Auroc (metrics/verification.h) of the examples of label 1. NaN where there is none of a label.
double AreaUnderRoc(std::span<const double> scores, std::span<const uint8_t> labels);

}  // namespace fluke
