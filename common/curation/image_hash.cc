#include "common/curation/image_hash.h"

#include <algorithm>
#include <array>
#include <numbers>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

namespace fluke {
namespace {

constexpr int kSide = 32, kLow = 8;
constexpr double kFlatDeviation = 1.0;  // grey levels, at 32 x 32

cv::Mat GrayAt(const cv::Mat& picture, int width, int height) {
  cv::Mat gray = picture, small;
  if (picture.channels() == 3) cv::cvtColor(picture, gray, cv::COLOR_RGB2GRAY);
  cv::resize(gray, small, cv::Size(width, height), 0, 0, cv::INTER_AREA);
  return small;
}

}  // namespace

uint64_t PerceptualHash(const cv::Mat& rgb) {
  cv::Mat gray, frequencies;
  GrayAt(rgb, kSide, kSide).convertTo(gray, CV_64F);
  cv::dct(gray, frequencies);
  // OpenCV's DCT is orthonormal, imagehash's is not: the first row and column differ by sqrt(2)
  // from the others, which moves them beside the median.
  std::array<double, kLow * kLow> low;
  for (int row = 0; row < kLow; ++row) {
    for (int column = 0; column < kLow; ++column) {
      const double row_scale = row == 0 ? std::numbers::sqrt2 : 1;
      const double column_scale = column == 0 ? std::numbers::sqrt2 : 1;
      low[row * kLow + column] = frequencies.at<double>(row, column) * row_scale * column_scale;
    }
  }
  std::array<double, kLow* kLow> sorted = low;
  std::sort(sorted.begin(), sorted.end());
  const double median = (sorted[sorted.size() / 2 - 1] + sorted[sorted.size() / 2]) / 2;
  uint64_t hash = 0;
  for (double value : low) hash = hash << 1 | static_cast<uint64_t>(value > median);
  return hash;
}

uint64_t DifferenceHash(const cv::Mat& rgb) {
  const cv::Mat gray = GrayAt(rgb, kLow + 1, kLow);
  uint64_t hash = 0;
  for (int row = 0; row < kLow; ++row) {
    for (int column = 0; column < kLow; ++column) {
      const bool brighter = gray.at<uint8_t>(row, column + 1) > gray.at<uint8_t>(row, column);
      hash = hash << 1 | static_cast<uint64_t>(brighter);
    }
  }
  return hash;
}

bool IsFlat(const cv::Mat& rgb) {
  cv::Scalar mean, deviation;
  cv::meanStdDev(GrayAt(rgb, kSide, kSide), mean, deviation);
  return deviation[0] < kFlatDeviation;
}

std::span<const ImageHashKind> ImageHashKinds() {
  static constexpr ImageHashKind kKinds[] = {
      {"phash", PerceptualHash,
       "low frequencies: survives resizing, compression, a change of light"},
      {"dhash", DifferenceHash, "brightness steps: stricter, and twice as quick"},
  };
  return kKinds;
}

}  // namespace fluke
