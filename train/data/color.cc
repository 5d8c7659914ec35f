// Colour: most are tables that the canvas puts together; hue needs all three channels at once.
#include <algorithm>
#include <cmath>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "train/data/buffers.h"
#include "train/data/simd.h"
#include "train/data/transform_list.h"

namespace fluke::train {
namespace {

uint8_t Clip(double value) {
  return static_cast<uint8_t>(std::clamp(std::lround(value), 0l, 255l));
}

template <typename Function>
std::array<uint8_t, 256> Tabulate(Function function) {
  std::array<uint8_t, 256> table;
  for (int v = 0; v < 256; ++v) table[v] = Clip(function(v));
  return table;
}

template <typename Function>
ColorTable SameForAll(Function function) {
  const auto table = Tabulate(function);
  return {table, table, table};
}

// By value: the references of std::min keep GCC 12 from turning branches into selections here.
inline int32_t Min(int32_t a, int32_t b) { return a < b ? a : b; }
inline int32_t Max(int32_t a, int32_t b) { return a > b ? a : b; }

// Hue in 1/4096 of a sector of 60 degrees, 0..kTurn - 1.
constexpr int32_t kSector = 4096, kTurn = 6 * kSector;

// How far a channel has fallen from the value, 0..kSector. k: hue from where the channel begins to
// fall, 0..2 kTurn - 1
inline int32_t Fallen(int32_t k) {
  k -= kTurn & -(k >= kTurn);
  return Max(0, Min(Min(k, 4 * kSector - k), kSector));
}

// Shifts in HSV. hue: 0..kTurn - 1; saturation, value: -255..255. A grey pixel stays grey. All
// choices are made between integers: between floating-point results they would keep the loop from
// becoming vector code.
FLUKE_SIMD void ShiftHsv(const uint8_t* in, int pixels, int32_t hue, int32_t saturation,
                         int32_t value, uint8_t* out) {
  for (int i = 0; i < pixels; ++i) {
    const int32_t r = in[3 * i], g = in[3 * i + 1], b = in[3 * i + 2];
    const int32_t high = Max(r, Max(g, b)), chroma = high - Min(r, Min(g, b));
    const int32_t red = -(high == r), green = ~red & -(high == g), blue = ~(red | green);
    const int32_t difference = (red & (g - b)) | (green & (b - r)) | (blue & (r - g));
    const int32_t first = (green & (2 * kSector)) | (blue & (4 * kSector));
    const float part = static_cast<float>(difference) / static_cast<float>(Max(chroma, 1));
    int32_t turned = static_cast<int32_t>(part * kSector) + first;
    turned += (kTurn & -(turned < 0)) + hue;
    turned -= kTurn & -(turned >= kTurn);
    const float share = static_cast<float>(255 * chroma) / static_cast<float>(Max(high, 1));
    const int32_t shifted = static_cast<int32_t>(share + 0.5f) + saturation;
    const int32_t s = Min(Max(shifted, 0), 255) & -(chroma != 0);
    const int32_t v = Min(Max(high + value, 0), 255);
    const float drop = static_cast<float>(v * s) * (1.0f / (255 * kSector)),
                base = static_cast<float>(v) + 0.5f;
    const float fallen_r = static_cast<float>(Fallen(turned + 5 * kSector));
    const float fallen_g = static_cast<float>(Fallen(turned + 3 * kSector));
    const float fallen_b = static_cast<float>(Fallen(turned + kSector));
    out[3 * i] = static_cast<uint8_t>(static_cast<int32_t>(base - drop * fallen_r));
    out[3 * i + 1] = static_cast<uint8_t>(static_cast<int32_t>(base - drop * fallen_g));
    out[3 * i + 2] = static_cast<uint8_t>(static_cast<int32_t>(base - drop * fallen_b));
  }
}

}  // namespace

// A grey picture is shifted by the mean of the three.
void RgbShift(const Values& values, Random& random, Canvas& canvas) {
  const double shift[] = {values.Draw("r_shift_limit", random),
                          values.Draw("g_shift_limit", random),
                          values.Draw("b_shift_limit", random)};
  if (canvas.channels() == 1) {
    const double mean = (shift[0] + shift[1] + shift[2]) / 3;
    return canvas.MapColors(SameForAll([&](int v) { return v + mean; }));
  }
  ColorTable table;
  for (int c = 0; c < 3; ++c) table[c] = Tabulate([&](int v) { return v + shift[c]; });
  canvas.MapColors(table);
}

// value * (1 + contrast) + brightness * (255, or the picture's mean)
void BrightnessContrast(const Values& values, Random& random, Canvas& canvas) {
  const double factor = 1 + values.Draw("contrast_limit", random);
  double offset = values.Draw("brightness_limit", random);
  if (values.number("brightness_by_max") != 0) {
    offset *= 255;
  } else {
    const cv::Scalar mean = cv::mean(canvas.pixels());
    offset *= canvas.channels() == 1 ? mean[0] : (mean[0] + mean[1] + mean[2]) / 3;
  }
  canvas.MapColors(SameForAll([&](int v) { return v * factor + offset; }));
}

// Shifts in the units of OpenCV's 8-bit HSV: hue in 2 degrees, saturation and value in 1/255. A
// grey picture has only a value.
void HueSaturationValue(const Values& values, Random& random, Canvas& canvas) {
  const double hue = values.Draw("hue_shift_limit", random) / 30 * kSector;
  const int saturation = static_cast<int>(std::lround(values.Draw("sat_shift_limit", random)));
  const int value = static_cast<int>(std::lround(values.Draw("val_shift_limit", random)));
  if (canvas.channels() == 1) return canvas.MapColors(SameForAll([&](int v) { return v + value; }));
  const int turn = (static_cast<int>(std::lround(hue)) % kTurn + kTurn) % kTurn;
  const cv::Mat& image = canvas.pixels();
  cv::Mat out = canvas.Fresh();
  for (int y = 0; y < image.rows; ++y)
    ShiftHsv(image.ptr(y), image.cols, turn, saturation, value, out.ptr(y));
  canvas.Replace(std::move(out));
}

// (value / 255)^gamma, gamma in percent
void Gamma(const Values& values, Random& random, Canvas& canvas) {
  const double gamma = values.Draw("gamma_limit", random) / 100;
  canvas.MapColors(SameForAll([&](int v) { return 255 * std::pow(v / 255.0, gamma); }));
}

// Luma of ITU-R BT.601 in all channels
void ToGray(const Values& /*values*/, Random& /*random*/, Canvas& canvas) {
  if (canvas.channels() == 1) return;
  cv::Mat gray = BorrowBuffer(canvas.size(), CV_8UC1), rgb = canvas.Fresh();
  cv::cvtColor(canvas.pixels(), gray, cv::COLOR_RGB2GRAY);
  cv::cvtColor(gray, rgb, cv::COLOR_GRAY2RGB);
  canvas.Replace(std::move(rgb));
}

}  // namespace fluke::train
