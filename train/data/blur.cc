// Sums over a neighbourhood; the picture is continued by mirroring (without repeating the edge), as
// OpenCV does.
#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "train/data/buffers.h"
#include "train/data/simd.h"
#include "train/data/transform_list.h"

namespace fluke::train {
namespace {

// A fixed-point factor of 2^-16.
int32_t Fixed(double value) { return static_cast<int32_t>(std::lround(value * 65536)); }

FLUKE_SIMD void AddRow(const uint8_t* in, int count, uint16_t* sum) {
  for (int i = 0; i < count; ++i) sum[i] = static_cast<uint16_t>(sum[i] + in[i]);
}

// out = clip(center * center_factor + sum * sum_factor)
FLUKE_SIMD void Combine(const uint8_t* center, int32_t center_factor, const uint16_t* sum,
                        int32_t sum_factor, int count, uint8_t* out) {
  for (int i = 0; i < count; ++i) {
    const int32_t value = (center[i] * center_factor + sum[i] * sum_factor + 32768) >> 16;
    out[i] = static_cast<uint8_t>(std::min(std::max(value, 0), 255));
  }
}

struct Offset {
  int x = 0, y = 0;
};

// center_factor * pixel + sum_factor * (sum of the pixels at the offsets): a convolution whose taps
// are all alike.
cv::Mat EqualTaps(const cv::Mat& image, const std::vector<Offset>& taps, double center_factor,
                  double sum_factor) {
  int radius = 0;
  for (const Offset& tap : taps) radius = std::max({radius, std::abs(tap.x), std::abs(tap.y)});
  cv::Mat padded = BorrowBuffer({image.cols + 2 * radius, image.rows + 2 * radius}, image.type());
  cv::copyMakeBorder(image, padded, radius, radius, radius, radius, cv::BORDER_REFLECT_101);
  const int channels = image.channels(), count = image.cols * channels;
  std::vector<uint16_t> sum(count);
  cv::Mat out = BorrowBuffer(image.size(), image.type());
  for (int y = 0; y < image.rows; ++y) {
    std::fill(sum.begin(), sum.end(), uint16_t{0});
    for (const Offset& tap : taps)
      AddRow(padded.ptr(y + radius + tap.y) + (radius + tap.x) * channels, count, sum.data());
    Combine(image.ptr(y), Fixed(center_factor), sum.data(), Fixed(sum_factor), count, out.ptr(y));
  }
  return out;
}

}  // namespace

void Blur(const Values& values, Random& random, Canvas& canvas) {
  const int side = values.DrawOdd("blur_limit", random);
  cv::Mat out = canvas.Fresh();
  cv::blur(canvas.pixels(), out, {side, side});
  canvas.Replace(std::move(out));
}

// blur_limit 0: a kernel wide enough for sigma
void GaussianBlur(const Values& values, Random& random, Canvas& canvas) {
  const double sigma = values.Draw("sigma_limit", random);
  const int side = values.range("blur_limit").high == 0 ? 0 : values.DrawOdd("blur_limit", random);
  cv::Mat out = canvas.Fresh();
  cv::GaussianBlur(canvas.pixels(), out, {side, side}, sigma);
  canvas.Replace(std::move(out));
}

// The mean along a line through (or, shifted, near) the pixel; direction -1 keeps its backward
// half, 1 its forward half.
void MotionBlur(const Values& values, Random& random, Canvas& canvas) {
  const int side = values.DrawOdd("blur_limit", random), half = side / 2;
  const double angle = values.Draw("angle_range", random) * CV_PI / 180;
  const double direction = values.Draw("direction_range", random);
  const bool shifted = values.number("allow_shifted") != 0;
  const double shift_x = shifted ? random.Uniform(-1, 1) * half / 2 : 0;
  const double shift_y = shifted ? random.Uniform(-1, 1) * half / 2 : 0;
  const double begin = -half * (1 - std::max(direction, 0.0)),
               end = half * (1 + std::min(direction, 0.0));
  std::set<std::pair<int, int>> points;
  for (int i = 0; i < side; ++i) {
    const double t = begin + (end - begin) * i / (side - 1);
    points.emplace(
        std::clamp<int>(static_cast<int>(std::lround(std::sin(angle) * t + shift_y)), -half, half),
        std::clamp<int>(static_cast<int>(std::lround(std::cos(angle) * t + shift_x)), -half, half));
  }
  std::vector<Offset> taps;
  for (const auto& [y, x] : points) taps.push_back({.x = x, .y = y});
  canvas.Replace(EqualTaps(canvas.pixels(), taps, 0, 1.0 / static_cast<double>(taps.size())));
}

// (1 - alpha) * identity + alpha * [[-1 -1 -1] [-1 8 + lightness -1] [-1 -1 -1]]
void Sharpen(const Values& values, Random& random, Canvas& canvas) {
  const double alpha = values.Draw("alpha", random);
  const double lightness = values.Draw("lightness", random);
  std::vector<Offset> taps;
  for (int y = -1; y <= 1; ++y) {
    for (int x = -1; x <= 1; ++x) taps.push_back({.x = x, .y = y});
  }
  canvas.Replace(EqualTaps(canvas.pixels(), taps, 1 - alpha + alpha * (9 + lightness), -alpha));
}

}  // namespace fluke::train
