// One photograph on its way through the transforms. Geometry and colour tables are not applied at
// once but put together, so that neighbouring ones cost one pass: point-wise colour maps and warps
// commute, but for the fill colour, which is mapped too.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <opencv2/core/mat.hpp>
#include <opencv2/core/matx.hpp>

#include "train/data/warp.h"

namespace fluke::train {

// A new value for each value of each channel (grey images use channel 0).
using ColorTable = std::array<std::array<uint8_t, 256>, 3>;

// Owned by one thread.
class Canvas {
 public:
  // image: CV_8UC3 or CV_8UC1; borrowed, never written to.
  explicit Canvas(const cv::Mat& image) : image_(image) {}

  cv::Size size() const { return image_.size(); }
  int channels() const { return image_.channels(); }

  // Deferred. `to_source` maps a pixel centre of the picture after the warp to one before it; what
  // lies outside has the grey value `fill` (of warps that are put together, the last one's).
  void Warp(const cv::Matx33d& to_source, uint8_t fill = 0);
  // Deferred. Every pixel is fetched from where the field says.
  void Displace(Displacement field);
  // Deferred.
  void MapColors(const ColorTable& table);

  // The picture with everything deferred done; shared, not to be written to.
  const cv::Mat& pixels();
  // The same as a copy of our own.
  cv::Mat& writable();
  // A picture of the same size and type and unknown content, to be filled and handed to Replace().
  cv::Mat Fresh() const;
  void Replace(cv::Mat image);

  // The picture at `size`.
  cv::Mat Finish(cv::Size size);

 private:
  void ApplyColors();
  void ApplyWarp(cv::Size size);

  cv::Mat image_;
  bool owned_ = false;
  std::optional<cv::Matx33d> warp_;
  std::optional<Displacement> field_;  // after warp_
  std::optional<ColorTable> colors_;
  std::array<uint8_t, 3> fill_ = {};  // outside the picture, for warp_
};

}  // namespace fluke::train
