// Sea and sky of one synthetic photograph, in linear light.
#pragma once

#include <cstdint>

#include <opencv2/core/mat.hpp>
#include <opencv2/core/types.hpp>

#include "common/random.h"

namespace fluke::synth {

using Color = cv::Vec3f;  // RGB, linear light, 1 = a white card under this photograph's light

struct Weather {
  Color deep;          // the water itself
  Color zenith, haze;  // the sky above and at the horizon
  Color sun;           // light from the sun alone
  cv::Vec3f to_sun;    // unit; x right, y up, z towards the camera
  float chop = 0;      // 0 calm .. 1 rough
  float wave_size = 1;
  float fog = 0;  // share of haze over everything
  bool coast = false;
  uint32_t noise_seed = 0;
};

// `difficulty` 0..1 widens the range of light, chop and fog.
Weather DrawWeather(Random& random, double difficulty);

// Fills the picture: sea below row `horizon` (may lie above the picture), sky and perhaps a coast
// above.
cv::Mat PaintScene(const Weather& weather, cv::Size size, float horizon);

// The colour of the sky in the direction of a unit vector's height (1 zenith, 0 horizon).
inline Color SkyAt(const Weather& weather, float height) {
  const float h = height < 0 ? 0 : height;
  return weather.haze + (weather.zenith - weather.haze) * (h * (2 - h));
}

}  // namespace fluke::synth
