// Pixels move: each transform gives the canvas a map from the new picture's pixels to the old
// one's.
#include <algorithm>
#include <cmath>
#include <utility>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "train/data/transform_list.h"

namespace fluke::train {
namespace {

constexpr double kRadians = CV_PI / 180;

cv::Matx33d Translation(double x, double y) { return {1, 0, x, 0, 1, y, 0, 0, 1}; }

// Counter-clockwise to the eye (y points down).
cv::Matx33d Rotation(double degrees) {
  const double c = std::cos(degrees * kRadians), s = std::sin(degrees * kRadians);
  return {c, s, 0, -s, c, 0, 0, 0, 1};
}

// `forward` (old to new) about the picture's centre, as a map to the source.
void WarpAboutCenter(const cv::Matx33d& forward, double fill, Canvas& canvas) {
  const double x = (canvas.size().width - 1) / 2.0, y = (canvas.size().height - 1) / 2.0;
  canvas.Warp(Translation(x, y) * forward.inv() * Translation(-x, -y), static_cast<uint8_t>(fill));
}

// Largest of n absolute normal numbers, expected (extreme value theory, Gumbel's location).
double ExpectedMaximum(double n) {
  const double root = std::sqrt(2 * std::log(2 * n));
  return root - (std::log(std::log(2 * n)) + std::log(4 * CV_PI)) / (2 * root);
}

}  // namespace

// The centres of the four corner pixels move inwards by |N(0, scale)| of the side; what is between
// them fills the picture.
void Perspective(const Values& values, Random& random, Canvas& canvas) {
  const double scale = values.Draw("scale", random);
  const float width = static_cast<float>(std::max(1, canvas.size().width - 1));
  const float height = static_cast<float>(std::max(1, canvas.size().height - 1));
  const auto jitter = [&](float side) {
    // Below .32 the corners cannot cross.
    return side * static_cast<float>(std::fmod(std::abs(random.Normal() * scale), 0.32));
  };
  const cv::Point2f full[] = {{0, 0}, {width, 0}, {width, height}, {0, height}};
  cv::Point2f inner[4];
  for (int i = 0; i < 4; ++i) {
    const float dx = jitter(width), dy = jitter(height);
    inner[i] = {full[i].x == 0 ? dx : width - dx, full[i].y == 0 ? dy : height - dy};
  }
  canvas.Warp(cv::getPerspectiveTransform(full, inner));
}

// Simard et al. 2003: displacements are white noise blurred by a Gaussian of `sigma` px, scaled so
// that the noise had been within +-alpha. A cubic B-spline on a grid of sqrt(3) sigma has a kernel
// of that variance, so white control points give the same field, without a blur.
void Elastic(const Values& values, Random& random, Canvas& canvas) {
  const double sigma = values.Draw("sigma", random), alpha = values.Draw("alpha", random);
  const cv::Size size = canvas.size();
  // Blurred white noise has the deviation 1 / (2 sqrt(pi) sigma); a spline of unit control points
  // 151/315 on average.
  const double deviation = alpha / ExpectedMaximum(size.area()) / (2 * std::sqrt(CV_PI) * sigma);
  const double control_deviation = deviation / (151.0 / 315);
  Displacement field;
  field.spacing_px = std::max(1.0, std::sqrt(3.0) * sigma);
  for (cv::Mat* axis : {&field.dx, &field.dy}) {
    axis->create(Displacement::Controls(size.height, field.spacing_px),
                 Displacement::Controls(size.width, field.spacing_px), CV_32FC1);
    for (float& control : cv::Mat_<float>(*axis))
      control = static_cast<float>(random.Normal() * control_deviation);
  }
  canvas.Displace(std::move(field));
}

void Rotate(const Values& values, Random& random, Canvas& canvas) {
  WarpAboutCenter(Rotation(values.Draw("limit", random)), values.number("fill"), canvas);
}

// Scale, then rotate, then shear, then translate (by whole pixels), about the centre.
void Affine(const Values& values, Random& random, Canvas& canvas) {
  const double shift_x = std::trunc(values.Draw("translate_percent", random) * canvas.size().width);
  const double shift_y =
      std::trunc(values.Draw("translate_percent", random) * canvas.size().height);
  const double shear_x = std::tan(-values.Draw("shear", random) * kRadians);
  const double shear_y = std::tan(-values.Draw("shear", random) * kRadians);
  const double scale_x = values.Draw("scale", random);
  const double scale_y = values.number("keep_ratio") != 0 ? scale_x : values.Draw("scale", random);
  const double degrees = values.Draw("rotate", random);
  const cv::Matx33d shear(1, shear_x, 0, shear_y, 1, 0, 0, 0, 1);
  const cv::Matx33d scale(scale_x, 0, 0, 0, scale_y, 0, 0, 0, 1);
  WarpAboutCenter(Translation(shift_x, shift_y) * shear * Rotation(degrees) * scale,
                  values.number("fill"), canvas);
}

// A random box of `scale` of the area and `ratio` width / height, blown up to the picture's size
// (torchvision's rule: ten tries, then the largest box of an allowed ratio in the middle).
void RandomResizedCrop(const Values& values, Random& random, Canvas& canvas) {
  const double width = canvas.size().width, height = canvas.size().height;
  const Range ratio = values.range("ratio");
  double w = 0, h = 0, x = 0, y = 0;
  bool found = false;
  for (int attempt = 0; attempt < 10 && !found; ++attempt) {
    const double area = width * height * values.Draw("scale", random);
    const double aspect = std::exp(random.Uniform(std::log(ratio.low), std::log(ratio.high)));
    w = std::round(std::sqrt(area * aspect));
    h = std::round(std::sqrt(area / aspect));
    found = w >= 1 && h >= 1 && w <= width && h <= height;
    if (!found) continue;
    x = static_cast<double>(random.Below(static_cast<uint64_t>(width - w) + 1));
    y = static_cast<double>(random.Below(static_cast<uint64_t>(height - h) + 1));
  }
  if (!found) {
    const double aspect = std::clamp(width / height, ratio.low, ratio.high);
    w = std::min(width, std::round(height * aspect));
    h = std::min(height, std::round(width / aspect));
    x = std::floor((width - w) / 2);
    y = std::floor((height - h) / 2);
  }
  // The centres of the box's corner pixels become those of the picture's, so that nothing comes
  // from outside.
  canvas.Warp({(w - 1) / std::max(1.0, width - 1), 0, x, 0, (h - 1) / std::max(1.0, height - 1), y,
               0, 0, 1});
}

void HorizontalFlip(const Values& /*values*/, Random& /*random*/, Canvas& canvas) {
  canvas.Warp({-1, 0, canvas.size().width - 1.0, 0, 1, 0, 0, 0, 1});
}

void VerticalFlip(const Values& /*values*/, Random& /*random*/, Canvas& canvas) {
  canvas.Warp({1, 0, 0, 0, -1, canvas.size().height - 1.0, 0, 0, 1});
}

}  // namespace fluke::train
