// Smooth noise for the synthetic flukes: integer hashes and IEEE-exact float operations only, so
// that every machine draws the same picture.
#pragma once

#include <cstdint>

namespace fluke::synth {

inline uint32_t HashCell(int32_t x, int32_t y, uint32_t seed) {
  uint32_t h =
      static_cast<uint32_t>(x) * 0x27d4eb2du ^ static_cast<uint32_t>(y) * 0x165667b1u ^ seed;
  h = (h ^ (h >> 15)) * 0x85ebca6bu;
  h = (h ^ (h >> 13)) * 0xc2b2ae35u;
  return h ^ (h >> 16);
}

// A value in [0, 1) for each cell of the integer lattice.
inline float CellValue(int32_t x, int32_t y, uint32_t seed) {
  return static_cast<float>(HashCell(x, y, seed) >> 8) * 0x1.0p-24f;
}

// About normal with variance 1 (the sum of a hash's four bytes, centred): sensor noise.
inline float CellNormal(int32_t x, int32_t y, uint32_t seed) {
  const uint32_t h = HashCell(x, y, seed);
  const uint32_t sum = (h & 255) + (h >> 8 & 255) + (h >> 16 & 255) + (h >> 24);
  return (static_cast<float>(sum) - 510.0f) / 147.8f;
}

struct NoiseSample {
  float value = 0;  // 0..1
  float dx = 0, dy = 0;
};

// Value noise with quintic interpolation and its analytic slope.
inline NoiseSample NoiseWithSlope(float x, float y, uint32_t seed) {
  int32_t xi = static_cast<int32_t>(x), yi = static_cast<int32_t>(y);
  xi -= static_cast<float>(xi) > x;
  yi -= static_cast<float>(yi) > y;
  const float u = x - static_cast<float>(xi), v = y - static_cast<float>(yi);
  const float a = CellValue(xi, yi, seed), b = CellValue(xi + 1, yi, seed);
  const float c = CellValue(xi, yi + 1, seed), d = CellValue(xi + 1, yi + 1, seed);
  const float su = u * u * u * (u * (u * 6 - 15) + 10), sv = v * v * v * (v * (v * 6 - 15) + 10);
  const float du = 30 * u * u * (u * (u - 2) + 1), dv = 30 * v * v * (v * (v - 2) + 1);
  const float k1 = b - a, k2 = c - a, k3 = a - b - c + d;
  return {a + k1 * su + k2 * sv + k3 * su * sv, du * (k1 + k3 * sv), dv * (k2 + k3 * su)};
}

inline float Noise(float x, float y, uint32_t seed) { return NoiseWithSlope(x, y, seed).value; }

// Octaves of noise, each twice as fine and half as strong, turned against one another to hide the
// lattice; 0..1.
inline float Fbm(float x, float y, uint32_t seed, int octaves) {
  float sum = 0, weight = 0.5f, total = 0;
  for (int i = 0; i < octaves; ++i) {
    sum += weight * Noise(x, y, seed + static_cast<uint32_t>(i) * 0x9e3779b9u);
    total += weight;
    weight *= 0.5f;
    const float next_x = 1.6f * x - 1.2f * y;
    y = 1.2f * x + 1.6f * y;
    x = next_x;
  }
  return sum / total;
}

inline float Clamp01(float v) { return v < 0 ? 0 : v > 1 ? 1 : v; }
inline float Mix(float a, float b, float t) { return a + (b - a) * t; }
// 0 below `low`, 1 above `high`, smooth between.
inline float Step(float low, float high, float v) {
  const float t = Clamp01((v - low) / (high - low));
  return t * t * (3 - 2 * t);
}

}  // namespace fluke::synth
