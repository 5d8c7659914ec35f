// One individual of the synthetic flukes: its outline, notches, scars and pigment as a flat skin.
//
// Plane of the fluke, seen from behind as the whale dives: x to the right, -1 and 1 at the tips; y
// up, the trailing edge near 0, the stem (peduncle) leaving downwards at about -1. Left stays left
// in every photograph.
#pragma once

#include <cstdint>

#include <opencv2/core/mat.hpp>

namespace fluke::synth {

inline constexpr float kSkinLeft = -1.12f, kSkinRight = 1.12f;
inline constexpr float kSkinBottom = -1.35f, kSkinTop = 0.45f;

struct Skin {
  cv::Mat albedo;  // CV_8UC3 RGB, square root of the reflectance; defined a little beyond the
                   // outline too
  cv::Mat alpha;   // CV_8UC1, 255 inside the outline
  cv::Mat relief;  // CV_8SC2, slope of the rounded body towards x and y, 127 = 1
  float pixels_per_unit = 0;
  // Pixel coordinates of a point of the plane.
  float Column(float x) const { return (x - kSkinLeft) * pixels_per_unit; }
  float Row(float y) const { return (kSkinTop - y) * pixels_per_unit; }
};

// A pure function of seed and individual; `pixels_per_unit` only sets how finely it is drawn.
Skin GrowSkin(uint64_t seed, uint64_t individual, float pixels_per_unit);

}  // namespace fluke::synth
