// Something stands between the camera and the animal.
#include <algorithm>
#include <cmath>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "train/data/buffers.h"
#include "train/data/simd.h"
#include "train/data/transform_list.h"

namespace fluke::train {
namespace {

// out = (out + layer) * brightness in 1/256; the layer is the same for all channels
template <int kChannels>
inline void AddLayer(uint8_t* out, const uint8_t* layer, int pixels, int brightness) {
  for (int i = 0; i < pixels; ++i) {
    for (int c = 0; c < kChannels; ++c) {
      const int sum = std::min(out[kChannels * i + c] + layer[i], 255);
      out[kChannels * i + c] = static_cast<uint8_t>((sum * brightness + 128) >> 8);
    }
  }
}

FLUKE_SIMD void AddLayerToRgb(uint8_t* out, const uint8_t* layer, int pixels, int brightness) {
  AddLayer<3>(out, layer, pixels, brightness);
}
FLUKE_SIMD void AddLayerToGray(uint8_t* out, const uint8_t* layer, int pixels, int brightness) {
  AddLayer<1>(out, layer, pixels, brightness);
}

void FillBox(cv::Mat& image, int x, int y, int width, int height, double value) {
  if (width > 0 && height > 0) image(cv::Rect(x, y, width, height)).setTo(cv::Scalar::all(value));
}

}  // namespace

// Streaks of one length and slant, blurred, added; then the whole picture darkened.
void Rain(const Values& values, Random& random, Canvas& canvas) {
  cv::Mat& image = canvas.writable();
  const double slant = values.Draw("slant_range", random);
  const double drop_length = values.number("drop_length");
  const int length = std::min(
      image.rows, drop_length == 0 ? std::max(1, image.rows / 8) : static_cast<int>(drop_length));
  const int drops = static_cast<int>(image.rows * values.Draw("density", random));
  const int width = static_cast<int>(values.number("drop_width"));
  const cv::Scalar color = cv::Scalar::all(values.number("drop_color"));
  cv::Mat layer = BorrowBuffer(image.size(), CV_8UC1);
  layer.setTo(0);
  for (int i = 0; i < drops; ++i) {
    const cv::Point begin(static_cast<int>(random.Below(image.cols)),
                          static_cast<int>(random.Below(std::max(1, image.rows - length))));
    cv::line(layer, begin, begin + cv::Point(static_cast<int>(slant), length), color, width,
             cv::LINE_4);
  }
  const int blur = static_cast<int>(values.number("blur_value"));
  if (blur > 1) cv::blur(layer, layer, {blur, blur});
  const int brightness =
      static_cast<int>(std::lround(256 * values.number("brightness_coefficient")));
  const auto add = image.channels() == 3 ? AddLayerToRgb : AddLayerToGray;
  for (int y = 0; y < image.rows; ++y) add(image.ptr(y), layer.ptr(y), image.cols, brightness);
}

// A side given as a range that ends below 1 is a share of the picture's, else pixels.
void CoarseDropout(const Values& values, Random& random, Canvas& canvas) {
  const auto draw_side = [&](std::string_view name, int side) {
    const bool share = values.range(name).high < 1;
    const double pixels =
        share ? side * values.Draw(name, random) : values.DrawInteger(name, random);
    return std::min(side, static_cast<int>(pixels));
  };
  const int holes = values.DrawInteger("num_holes_range", random);
  cv::Mat& image = canvas.writable();
  for (int i = 0; i < holes; ++i) {
    const int height = draw_side("hole_height_range", image.rows),
              width = draw_side("hole_width_range", image.cols);
    const int y = static_cast<int>(random.Below(image.rows - height + 1));
    const int x = static_cast<int>(random.Below(image.cols - width + 1));
    FillBox(image, x, y, width, height, values.number("fill"));
  }
}

// Zhong et al. 2017: one box of `scale` of the area and `ratio` height / width; left out when ten
// draws do not fit.
void RandomErasing(const Values& values, Random& random, Canvas& canvas) {
  cv::Mat& image = canvas.writable();
  const Range ratio = values.range("ratio");
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = static_cast<double>(image.total()) * values.Draw("scale", random);
    const double aspect = std::exp(random.Uniform(std::log(ratio.low), std::log(ratio.high)));
    const int height = static_cast<int>(std::lround(std::sqrt(area * aspect)));
    const int width = static_cast<int>(std::lround(std::sqrt(area / aspect)));
    if (height < 1 || width < 1 || height > image.rows || width > image.cols) continue;
    const int y = static_cast<int>(random.Below(image.rows - height + 1));
    const int x = static_cast<int>(random.Below(image.cols - width + 1));
    return FillBox(image, x, y, width, height, values.number("fill"));
  }
}

}  // namespace fluke::train
