#include "common/local/key_points.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <opencv2/features2d.hpp>
#include <opencv2/imgproc.hpp>

#include "common/error.h"

namespace fluke {
namespace {

constexpr int kMostSidePx = 4096;
constexpr int kMostKeyPoints = 1 << 16;
constexpr int kOctaveLayers = 3;  // Lowe's
constexpr double kSigma = 1.6;    // Lowe's

cv::Mat Gray(const cv::Mat& image) {
  if (image.type() == CV_8UC1) return image;
  if (image.type() != CV_8UC3) {
    InvalidArgument("key points: an image of ", image.channels(), " channels of depth ",
                    image.depth(), "; expected 8-bit RGB or grey");
  }
  cv::Mat gray;
  cv::cvtColor(image, gray, cv::COLOR_RGB2GRAY);
  return gray;
}

cv::Mat WithLongerSide(const cv::Mat& gray, int side_px) {
  const double factor = static_cast<double>(side_px) / std::max(gray.cols, gray.rows);
  if (factor == 1) return gray;
  const cv::Size size(std::max(1, static_cast<int>(std::lround(gray.cols * factor))),
                      std::max(1, static_cast<int>(std::lround(gray.rows * factor))));
  cv::Mat sized;
  cv::resize(gray, sized, size, 0, 0, factor < 1 ? cv::INTER_AREA : cv::INTER_CUBIC);
  return sized;
}

// SIFT keeps all that are as strong as the weakest of the best, in no order; of those the numbers
// of only so many as were asked for, and the strongest first.
std::vector<int> Strongest(const std::vector<cv::KeyPoint>& points, size_t count) {
  std::vector<int> numbers(points.size());
  std::iota(numbers.begin(), numbers.end(), 0);
  std::stable_sort(numbers.begin(), numbers.end(), [&](int a, int b) {
    return points[static_cast<size_t>(a)].response > points[static_cast<size_t>(b)].response;
  });
  numbers.resize(std::min(count, numbers.size()));
  return numbers;
}

}  // namespace

void CheckKeyPointOptions(const KeyPointOptions& options) {
  if (options.side_px < 32 || options.side_px > kMostSidePx) {
    InvalidArgument("side_px is ", options.side_px, "; expected 32 to ", kMostSidePx);
  }
  if (options.max_key_points < 1 || options.max_key_points > kMostKeyPoints) {
    InvalidArgument("max_key_points is ", options.max_key_points, "; expected 1 to ",
                    kMostKeyPoints);
  }
  if (!(options.contrast_threshold >= 0 && options.contrast_threshold < 1)) {
    InvalidArgument("contrast_threshold is ", options.contrast_threshold, "; expected [0, 1)");
  }
  if (!(options.edge_threshold >= 1 && options.edge_threshold <= 1e6)) {
    InvalidArgument("edge_threshold is ", options.edge_threshold, "; expected 1 to 1e6");
  }
}

void RootSiftCode(std::span<const float> sift, std::span<uint8_t> code) {
  const float sum = std::accumulate(sift.begin(), sift.end(), 0.f);
  const float scale = sum > 0 ? 1 / sum : 0;
  for (size_t i = 0; i < sift.size(); ++i) {
    const float root = std::sqrt(std::max(0.f, sift[i]) * scale) * kDescriptorScale;
    code[i] = static_cast<uint8_t>(std::min(255.f, std::round(root)));
  }
}

LocalFeatures ExtractKeyPoints(const cv::Mat& image, const KeyPointOptions& options) {
  CheckKeyPointOptions(options);
  if (image.empty()) InvalidArgument("key points: an empty image");
  const cv::Mat sized = WithLongerSide(Gray(image), options.side_px);
  LocalFeatures features{
      .width = sized.cols, .height = sized.rows, .key_points = {}, .descriptors = {}};

  const auto sift = cv::SIFT::create(options.max_key_points, kOctaveLayers,
                                     options.contrast_threshold, options.edge_threshold, kSigma);
  std::vector<cv::KeyPoint> points;
  cv::Mat values;  // points x 128 floats
  try {
    sift->detectAndCompute(sized, cv::noArray(), points, values);
  } catch (const cv::Exception& error) {
    Throw(absl::StatusCode::kInternal, "key points of ", sized.cols, " x ", sized.rows,
          " pixels: ", error.what());
  }
  const std::vector<int> kept = Strongest(points, static_cast<size_t>(options.max_key_points));
  features.descriptors.resize(kept.size() * kDescriptorBytes);
  for (size_t i = 0; i < kept.size(); ++i) {
    const cv::KeyPoint& point = points[static_cast<size_t>(kept[i])];
    features.key_points.push_back(
        {.x = point.pt.x, .y = point.pt.y, .size_px = point.size, .angle_deg = point.angle});
    RootSiftCode({values.ptr<float>(kept[i]), kDescriptorBytes},
                 std::span(features.descriptors).subspan(i * kDescriptorBytes, kDescriptorBytes));
  }
  return features;
}

}  // namespace fluke
