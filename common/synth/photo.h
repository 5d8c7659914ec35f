// One photograph of one individual: pose, weather, water over the fluke, lens and sensor.
#pragma once

#include <cstdint>

#include <opencv2/core/mat.hpp>

#include "common/synth/skin.h"

namespace fluke::synth {

struct Photo {
  cv::Mat rgb;  // CV_8UC3
  cv::Rect
      box;  // of the visible fluke, padded a little as a person would draw it; inside the picture
  double yaw_deg = 0, pitch_deg = 0, roll_deg = 0;
  double visible = 0;     // share of the lobes that water does not hide
  double blur_px = 0;     // standard deviation
  int jpeg_quality = 90;  // to be stored with
};

// How many pixels of the skin a photograph of this size wants per unit (half span).
inline float SkinPixelsPerUnit(int size_px) {
  return static_cast<float>(size_px < 128 ? 128 : size_px) * .9f;
}

// A pure function of its arguments. The picture is size_px wide and 3/4 as high. `difficulty` 0
// (studio) .. 1 (storm).
Photo TakePhoto(const Skin& skin, uint64_t key, int size_px, double difficulty);

}  // namespace fluke::synth
