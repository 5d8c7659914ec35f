#include "common/synth/scene.h"

#include <algorithm>
#include <cmath>

#include "common/synth/noise.h"

namespace fluke::synth {
namespace {

constexpr float kRecede = 7;

// Seas and skies of the places where whales are photographed, as square roots of linear light.
constexpr float kPalettes[][9] = {
    {.10f, .25f, .38f, .42f, .60f, .82f, .78f, .86f, .93f},  // open ocean, clear
    {.12f, .28f, .33f, .62f, .70f, .78f, .80f, .84f, .88f},  // green-blue, thin cloud
    {.20f, .26f, .30f, .70f, .73f, .76f, .78f, .80f, .82f},  // grey, overcast
    {.09f, .20f, .30f, .50f, .55f, .68f, .93f, .78f, .64f},  // low sun
    {.14f, .32f, .34f, .55f, .68f, .80f, .86f, .90f, .92f},  // fjord
    {.16f, .22f, .29f, .40f, .47f, .58f, .62f, .66f, .70f},  // dull
};

float Jitter(Random& random, double low, double high) {
  return static_cast<float>(random.Uniform(low, high));
}

Color ToLinear(const float* root, Random& random) {
  const float gain = Jitter(random, .9, 1.1);
  Color color;
  for (int c = 0; c < 3; ++c) {
    const float v = root[c] * gain * Jitter(random, .97, 1.03);
    color[c] = v * v;
  }
  return color;
}

// Height of the coast's skyline above the horizon, in shares of the picture's width.
float Skyline(const Weather& weather, float x) {
  const float ridge = Fbm(x * 3.1f, 4.5f, weather.noise_seed + 70, 5);
  return std::max(0.0f, .15f * (ridge - .42f)) + .006f;
}

Color SkyPixel(const Weather& weather, float x, float up) {
  Color sky = SkyAt(weather, up * 1.2f);
  const float clouds = Fbm(x * 2.2f + 3, up * 9 + .5f * x, weather.noise_seed + 40, 4);
  sky += (weather.haze * 1.1f - sky) * (.6f * Step(.42f, .75f, clouds));
  if (weather.coast) {
    const float skyline = Skyline(weather, x);
    if (up < skyline) {
      const float texture = Fbm(x * 40, up * 60, weather.noise_seed + 80, 3);
      const Color land = weather.haze * .42f + weather.deep * (.7f + .6f * texture);
      sky += (land - sky) * Step(skyline, skyline - .006f, up);
    }
  }
  return sky;
}

// Slope of the sea towards the camera at a point of its plane. Octaves finer than a pixel
// (`footprint` in plane units) fade out, which keeps the distance calm instead of flickering.
float SeaSlope(const Weather& weather, float x, float z, float footprint) {
  float slope = 0, frequency = .55f / weather.wave_size, weight = 1;
  float px = x, pz = z;
  for (int octave = 0; octave < 5; ++octave) {
    const float fade = 1 - Step(.25f, .9f, footprint * frequency);
    if (fade <= 0) break;
    const NoiseSample s =
        NoiseWithSlope(px * frequency * .6f, pz * frequency,
                       weather.noise_seed + static_cast<uint32_t>(octave) * 7919u);
    slope += fade * weight * s.dy;
    weight *= .82f;
    frequency *= 1.9f;
    const float turned = .92f * px - .39f * pz;
    pz = .39f * px + .92f * pz;
    px = turned;
  }
  return slope;
}

Color SeaPixel(const Weather& weather, float x, float below, float pixel) {
  // A camera a few metres above the water with a long lens: the plane recedes kRecede times as fast
  // as it widens.
  const float distance = 1 / (below + .012f);
  const float plane_x = x * distance * 2.6f, plane_z = distance * kRecede;
  const float footprint = distance * distance * kRecede * pixel;
  const float slope = SeaSlope(weather, plane_x, plane_z, footprint) * (.35f + .65f * weather.chop);
  const float far = Clamp01((distance - 1) / 22);
  // Faces turned away mirror the sky, faces towards the camera show the water (Fresnel, by eye).
  const float mirror = Clamp01(Mix(.24f, .80f, far) + .42f * slope * (1 - .7f * far));
  Color color = weather.deep * (1.0f + .5f * Clamp01(-slope)) +
                (SkyAt(weather, .55f - .3f * slope) - weather.deep) * (mirror * .85f);
  // Whitecaps and glitter.
  const float crest = Step(
      1.05f, 1.5f,
      slope + .8f * weather.chop * Noise(plane_x * 1.7f, plane_z * 2.9f, weather.noise_seed + 30));
  color += (Color(.85f, .88f, .9f) - color) * (crest * weather.chop * .55f * (1 - far));
  const float facing = weather.to_sun[2] < 0 ? 1 : .25f;
  const float glint = Step(.75f, 1.25f, slope + .35f * weather.to_sun[1]);
  color += weather.sun * (glint * facing * .45f);
  return color;
}

}  // namespace

Weather DrawWeather(Random& random, double difficulty) {
  Weather weather;
  const float* palette = kPalettes[random.Below(std::size(kPalettes))];
  weather.deep = ToLinear(palette, random);
  weather.zenith = ToLinear(palette + 3, random);
  weather.haze = ToLinear(palette + 6, random);
  const double sun = random.Uniform();
  const float strength = static_cast<float>(sun * sun * (.5 + .9 * difficulty));
  weather.sun = Color(1.0f, .95f, .86f) * strength;
  // The camera looks along -z; to_sun.z < 0 is a sun behind the whale.
  const double azimuth = random.Uniform(-2.0, 2.0) * (.6 + .8 * difficulty),
               height = random.Uniform(.35, 1.25);
  weather.to_sun = cv::Vec3f(static_cast<float>(std::sin(azimuth) * std::cos(height)),
                             static_cast<float>(std::sin(height)),
                             static_cast<float>(std::cos(azimuth) * std::cos(height)));
  weather.chop = Jitter(random, .05, .45 + .5 * difficulty);
  weather.wave_size = Jitter(random, .5, 1.7);
  const double fog = random.Uniform();
  weather.fog = static_cast<float>(fog * fog * fog * (.2 + .35 * difficulty));
  weather.coast = random.Chance(.4);
  weather.noise_seed = static_cast<uint32_t>(random.Bits());
  return weather;
}

cv::Mat PaintScene(const Weather& weather, cv::Size size, float horizon) {
  cv::Mat scene(size, CV_32FC3);
  const float unit = 1 / static_cast<float>(size.width);
  for (int row = 0; row < size.height; ++row) {
    auto* pixels = scene.ptr<Color>(row);
    const float below = (static_cast<float>(row) + .5f - horizon) * unit;
    for (int col = 0; col < size.width; ++col) {
      const float x = (static_cast<float>(col) + .5f) * unit - .5f;
      pixels[col] = below > 0 ? SeaPixel(weather, x, below, unit) : SkyPixel(weather, x, -below);
    }
  }
  return scene;
}

}  // namespace fluke::synth
