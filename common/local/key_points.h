// RootSIFT key points of a photograph: where it has texture of its own (scars, spots, notches), and
// what that texture looks like whatever its turn, size and lighting. SIFT: Lowe, IJCV 2004;
// RootSIFT: Arandjelovic and Zisserman, CVPR 2012.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "common/box.h"

namespace fluke {

// A descriptor: the square roots of SIFT's 128 values at sum 1, a vector of length 1, each times
// kDescriptorScale in a byte (the few above 255 are cut).
inline constexpr int kDescriptorBytes = 128;
inline constexpr float kDescriptorScale = 512;

struct KeyPoint {
  float x = 0, y = 0;   // px of the photograph as it was looked at, see LocalFeatures
  float size_px = 0;    // diameter of what the descriptor is about
  float angle_deg = 0;  // [0, 360), clockwise, as OpenCV has it

  bool operator==(const KeyPoint&) const = default;
};
inline constexpr int64_t kKeyPointBytes = sizeof(KeyPoint) + kDescriptorBytes;

// Defaults by tests/bench/local_evidence.py.
struct KeyPointOptions {
  int side_px = 256;                // the longer side that photographs are made, up or down
  int max_key_points = 1000;        // those with the strongest contrast are kept
  double contrast_threshold = .01;  // of OpenCV's SIFT; lower finds fainter ones
  double edge_threshold = 10;       // of OpenCV's SIFT; higher keeps more of those along edges

  bool operator==(const KeyPointOptions&) const = default;
};

struct LocalFeatures {
  int width = 0, height = 0;  // of the photograph as it was looked at
  std::vector<KeyPoint> key_points;
  std::vector<uint8_t> descriptors;  // key_points.size() x kDescriptorBytes
  // That was looked at: shares of the upright photograph's sides.
  Box part{.x = 0, .y = 0, .w = 1, .h = 1};

  int64_t size() const { return static_cast<int64_t>(key_points.size()); }
  std::span<const uint8_t> descriptor(int64_t i) const {
    return {descriptors.data() + i * kDescriptorBytes, kDescriptorBytes};
  }
};

// Throws InvalidArgument, naming the option, for a value out of range.
void CheckKeyPointOptions(const KeyPointOptions& options);

// image: CV_8UC3 RGB or CV_8UC1, not empty, of any size. Its longer side is made side_px. An image
// without texture has no key points. The same image gives the same key points. Thread-safe.
LocalFeatures ExtractKeyPoints(const cv::Mat& image, const KeyPointOptions& options);

// One RootSIFT descriptor of SIFT's values (any scale, none negative); all zero stays all zero.
void RootSiftCode(std::span<const float> sift, std::span<uint8_t> code);

}  // namespace fluke
