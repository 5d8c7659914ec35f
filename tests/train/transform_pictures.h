// For the tests of the augmentations: chains of named steps, and pictures small enough to follow by
// hand.
#pragma once

#include <gmock/gmock.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "train/data/transforms.h"

namespace fluke::train {

using Params = std::map<std::string, std::vector<double>>;
using Pixels = std::vector<int>;

struct Named {
  std::string name;
  Params params = {};
  double p = 1;
};

inline Augmenter Chain(const std::vector<Named>& steps) {
  google::protobuf::RepeatedPtrField<v1::Transform> transforms;
  for (const Named& step : steps) {
    v1::Transform& transform = *transforms.Add();
    transform.set_name(step.name);
    transform.set_p(step.p);
    for (const auto& [name, numbers] : step.params) {
      for (double number : numbers) (*transform.mutable_params())[name].add_value(number);
    }
  }
  return Augmenter(transforms, ConfigSource());
}

inline cv::Mat Apply(const std::vector<Named>& steps, const cv::Mat& image, uint64_t key = 1,
                     cv::Size size = {}) {
  Random random(key);
  return Chain(steps).Apply(image, random, size);
}

inline cv::Mat Gray(int width, const Pixels& values) {
  cv::Mat image(static_cast<int>(values.size()) / width, width, CV_8UC1);
  for (size_t i = 0; i < values.size(); ++i) image.data[i] = static_cast<uint8_t>(values[i]);
  return image;
}

inline cv::Mat Rgb(const cv::Mat& gray) {
  cv::Mat image;
  cv::merge(std::vector<cv::Mat>{gray, gray, gray}, image);
  return image;
}

inline Pixels Channel(const cv::Mat& image, int channel) {
  Pixels values;
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x)
      values.push_back(image.ptr(y)[x * image.channels() + channel]);
  }
  return values;
}

inline Pixels OnlyPixel(const cv::Mat& image) {
  return {image.data[0], image.data[1], image.data[2]};
}

inline cv::Mat Pixel(int r, int g, int b) { return cv::Mat(1, 1, CV_8UC3, cv::Scalar(r, g, b)); }

MATCHER_P2(PixelsNear, expected, tolerance, "") {
  if (arg.size() != expected.size()) return false;
  for (size_t i = 0; i < arg.size(); ++i) {
    if (std::abs(arg[i] - expected[i]) > tolerance) {
      *result_listener << "pixel " << i << " is " << arg[i] << ", expected " << expected[i];
      return false;
    }
  }
  return true;
}

inline bool Same(const cv::Mat& a, const cv::Mat& b) {
  return a.size() == b.size() && a.type() == b.type() && cv::norm(a, b, cv::NORM_INF) == 0;
}

// 0, 10, ... 240 in rows of five.
inline cv::Mat Steps() {
  Pixels values(25);
  for (int i = 0; i < 25; ++i) values[i] = 10 * i;
  return Rgb(Gray(5, values));
}

// Nothing about it is symmetric, and no value is at the ends of the range.
inline cv::Mat Textured(int type) {
  cv::Mat image(48, 64, type);
  Random random(7);
  for (int y = 0; y < image.rows; ++y) {
    uint8_t* row = image.ptr(y);
    for (int i = 0; i < image.cols * image.channels(); ++i) {
      row[i] = static_cast<uint8_t>(40 + 2 * y + i % 17 + random.Below(40));
    }
  }
  return image;
}

}  // namespace fluke::train
