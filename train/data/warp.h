// Geometry: one bilinear interpolation for any chain of projective maps, with an optional smooth
// displacement in front.
#pragma once

#include <array>
#include <cstdint>

#include <opencv2/core/mat.hpp>
#include <opencv2/core/matx.hpp>

namespace fluke::train {

// A smooth random displacement: a uniform cubic B-spline whose control points are independent
// normal numbers.
struct Displacement {
  double spacing_px = 1;  // between control points
  cv::Mat dx, dy;         // CV_32FC1 control points, px; control (1, 1) stands at pixel (0, 0)

  // Control points needed for `pixels` pixels.
  static int Controls(int pixels, double spacing_px) {
    return static_cast<int>((pixels - 1) / spacing_px) + 4;
  }
};

// out(x, y) = image(to_source * (x + dx, y + dy)), bilinear, `fill` outside. Weights are in 1/256.
cv::Mat WarpImage(const cv::Mat& image, const cv::Matx33d& to_source, const Displacement* field,
                  cv::Size size, const std::array<uint8_t, 3>& fill);

}  // namespace fluke::train
