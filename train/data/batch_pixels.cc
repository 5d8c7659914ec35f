#include "train/data/batch_pixels.h"

#include <array>
#include <cstdint>

#include <opencv2/imgproc.hpp>

#include "train/data/simd.h"

namespace fluke::train {
namespace {

// A whole number of RGB pixels and of vectors, so that the factors of a channel fall on the same
// lane each time.
constexpr int kPeriod = 48;

struct Factors {
  std::array<float, kPeriod> scale, offset;  // of the channels in turn
};

Factors FactorsOf(const InputFormat& input) {
  Factors factors;
  for (int i = 0; i < kPeriod; ++i) {
    const int c = i % input.channels;
    factors.scale[i] = 1 / (255 * input.std[c]);
    factors.offset[i] = -input.mean[c] / input.std[c];
  }
  return factors;
}

FLUKE_SIMD void NormalizeRow(const uint8_t* in, int count, const float* scale, const float* offset,
                             float* out) {
  int i = 0;
  for (; i + kPeriod <= count; i += kPeriod) {
    for (int j = 0; j < kPeriod; ++j)
      out[i + j] = static_cast<float>(in[i + j]) * scale[j] + offset[j];
  }
  for (int j = 0; i < count; ++i, ++j) out[i] = static_cast<float>(in[i]) * scale[j] + offset[j];
}

FLUKE_SIMD void NormalizeRowToPlanes(const uint8_t* rgb, int pixels, const float* scale,
                                     const float* offset, float* red, float* green, float* blue) {
  for (int i = 0; i < pixels; ++i) {
    red[i] = static_cast<float>(rgb[3 * i]) * scale[0] + offset[0];
    green[i] = static_cast<float>(rgb[3 * i + 1]) * scale[1] + offset[1];
    blue[i] = static_cast<float>(rgb[3 * i + 2]) * scale[2] + offset[2];
  }
}

}  // namespace

cv::Mat FitToInput(const cv::Mat& image, const InputFormat& input) {
  const cv::Size size(input.width, input.height);
  cv::Mat fitted = image;
  if (image.size() != size) {
    const bool shrinks = image.cols >= size.width && image.rows >= size.height;
    cv::resize(image, fitted, size, 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  }
  cv::Mat colored = fitted;
  if (fitted.channels() == 3 && input.channels == 1)
    cv::cvtColor(fitted, colored, cv::COLOR_RGB2GRAY);
  if (fitted.channels() == 1 && input.channels == 3)
    cv::cvtColor(fitted, colored, cv::COLOR_GRAY2RGB);
  return colored;
}

void Normalize(const cv::Mat& fitted, const InputFormat& input, Layout layout, float* out) {
  const Factors factors = FactorsOf(input);
  const int width = fitted.cols, height = fitted.rows, channels = fitted.channels();
  const int64_t plane = int64_t{width} * height;
  for (int y = 0; y < height; ++y) {
    if (layout == Layout::kNchw && channels == 3) {
      float* red = out + int64_t{y} * width;
      NormalizeRowToPlanes(fitted.ptr(y), width, factors.scale.data(), factors.offset.data(), red,
                           red + plane, red + 2 * plane);
    } else {
      NormalizeRow(fitted.ptr(y), width * channels, factors.scale.data(), factors.offset.data(),
                   out + int64_t{y} * width * channels);
    }
  }
}

}  // namespace fluke::train
