// Pictures with texture of their own, for the tests of local evidence.
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>

#include <opencv2/imgproc.hpp>

#include "common/random.h"

namespace fluke {

// Dark and light blotches like those of a skin, CV_8UC1; another `seed` is another individual.
inline cv::Mat Blotches(int width, int height, uint64_t seed) {
  Random random(RandomKey({seed, 99}));
  cv::Mat picture(height, width, CV_8UC1, cv::Scalar(128));
  for (int i = 0; i < width * height / 150; ++i) {
    const cv::Point centre(static_cast<int>(random.Below(static_cast<uint64_t>(width))),
                           static_cast<int>(random.Below(static_cast<uint64_t>(height))));
    const cv::Size axes(static_cast<int>(2 + random.Below(10)),
                        static_cast<int>(2 + random.Below(10)));
    cv::ellipse(picture, centre, axes, random.Uniform(0, 360), 0, 360,
                cv::Scalar(static_cast<double>(random.Below(256))), cv::FILLED, cv::LINE_AA);
  }
  cv::GaussianBlur(picture, picture, {}, 1);
  return picture;
}

// The map that turns by `degrees`, sizes by `zoom` about the middle of a picture of that size, and
// then moves the middle by (right, down).
inline cv::Matx23d Turn(cv::Size size, double degrees, double zoom, double right, double down) {
  const double radians = degrees * 3.14159265358979 / 180;
  const double a = zoom * std::cos(radians), b = zoom * std::sin(radians);
  const double x = size.width / 2.0, y = size.height / 2.0;
  return {a, -b, x - a * x + b * y + right, b, a, y - b * x - a * y + down};
}

inline cv::Mat Warped(const cv::Mat& picture, const cv::Matx23d& map) {
  cv::Mat warped;
  cv::warpAffine(picture, warped, map, picture.size(), cv::INTER_LINEAR, cv::BORDER_CONSTANT,
                 cv::Scalar::all(128));
  return warped;
}

}  // namespace fluke
