// Gaussian noise without a logarithm a sample: Teichroew's method (1956; Knuth, TAOCP 2, 3.4.1) - a
// sum of uniform numbers, made normal by an odd polynomial - with the four bytes of one hashed
// counter as the uniform numbers.
#include <cstdint>

#include "train/data/simd.h"
#include "train/data/transform_list.h"

namespace fluke::train {
namespace {

// 32 random bits of a counter and a 64-bit key (the multipliers of Wellons' lowbias32).
inline uint32_t Hash(uint32_t counter, uint32_t key_low, uint32_t key_high) {
  uint32_t x = counter ^ key_low;
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) + key_high;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

// Least squares of the normal quantiles over the distribution of s, the sum of four bytes less its
// mean, / 510: distribution function within 7e-4 of the normal one, variance 0.99997,
// kurtosis 2.997, largest value 4.4.
inline float StandardNormal(uint32_t bits) {
  const uint32_t pairs = (bits & 0x00ff00ffu) + ((bits >> 8) & 0x00ff00ffu);
  const int32_t sum = static_cast<int32_t>((pairs & 0xffffu) + (pairs >> 16)) - 510;
  const float s = static_cast<float>(sum) * (1.0f / 510);
  const float s2 = s * s;
  return s * (3.33932111f + s2 * (0.1644166f + s2 * 0.93174675f));
}

inline uint8_t Add(uint8_t value, float noise) {
  float v = static_cast<float>(value) + noise + 0.5f;
  v = v > 0.0f ? v : 0.0f;
  v = v < 255.0f ? v : 255.0f;
  return static_cast<uint8_t>(static_cast<int32_t>(v));
}

// counter: of the first sample
FLUKE_SIMD void AddNoise(uint8_t* values, int count, float mean, float std, uint32_t counter,
                         uint32_t key_low, uint32_t key_high) {
  for (int i = 0; i < count; ++i) {
    const float noise =
        mean + std * StandardNormal(Hash(counter + static_cast<uint32_t>(i), key_low, key_high));
    values[i] = Add(values[i], noise);
  }
}

// The same noise for the three channels of a pixel.
FLUKE_SIMD void AddSharedNoise(uint8_t* rgb, int pixels, float mean, float std, uint32_t counter,
                               uint32_t key_low, uint32_t key_high) {
  for (int i = 0; i < pixels; ++i) {
    const float noise =
        mean + std * StandardNormal(Hash(counter + static_cast<uint32_t>(i), key_low, key_high));
    for (int c = 0; c < 3; ++c) rgb[3 * i + c] = Add(rgb[3 * i + c], noise);
  }
}

}  // namespace

void GaussNoise(const Values& values, Random& random, Canvas& canvas) {
  const float std = static_cast<float>(255 * values.Draw("std_range", random));
  const float mean = static_cast<float>(255 * values.Draw("mean_range", random));
  const uint64_t key = random.Bits();
  const uint32_t low = static_cast<uint32_t>(key), high = static_cast<uint32_t>(key >> 32);
  const bool shared = values.number("per_channel") == 0 && canvas.channels() == 3;
  cv::Mat& image = canvas.writable();
  const int row = shared ? image.cols : image.cols * image.channels();
  for (int y = 0; y < image.rows; ++y) {
    const uint32_t counter = static_cast<uint32_t>(y) * static_cast<uint32_t>(row);
    (shared ? AddSharedNoise : AddNoise)(image.ptr(y), row, mean, std, counter, low, high);
  }
}

}  // namespace fluke::train
