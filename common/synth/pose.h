// A skin bent, turned and lit in space, as the camera sees it.
#pragma once

#include <opencv2/core/mat.hpp>
#include <opencv2/core/types.hpp>

#include "common/random.h"
#include "common/synth/scene.h"
#include "common/synth/skin.h"

namespace fluke::synth {

// Right-handed space: x right, y up, z towards the camera; unit: the half span.
struct Pose {
  double yaw_rad = 0, pitch_rad = 0, roll_rad = 0;
  double curl[2] = {};   // right, left lobe: how far the tip bends towards the camera
  double droop[2] = {};  // right, left lobe: how far the tip hangs
  double cup = 0;        // the lobes as a bowl
  double stem_lean = 0;  // the stem leaves towards (-) or away from the camera
  double distance = 6;   // of the camera, in half spans: small = strong perspective
};

Pose DrawPose(Random& random, double difficulty);

// Where a point of the fluke's plane is seen, before the picture's scale and place: x right, y
// down, half spans.
cv::Point2d Project(const Pose& pose, double x, double y);

// Projected extent of the skin above `waterline_y` of the plane.
cv::Rect2d Extent(const Skin& skin, const Pose& pose, double waterline_y);

// The picture's scale and place: pixel = origin + pixels_per_unit * Project().
struct Placement {
  double pixels_per_unit = 0;
  cv::Point2d origin;
};

// Premultiplied linear RGB and coverage (CV_32FC4) of `size`.
cv::Mat RenderFluke(const Skin& skin, const Pose& pose, const Placement& placement,
                    const Weather& weather, cv::Size size);

}  // namespace fluke::synth
