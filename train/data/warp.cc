#include "train/data/warp.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "train/data/buffers.h"
#include "train/data/simd.h"

namespace fluke::train {
namespace {

// Padded source rows: one pixel of fill before, two behind, so that a coordinate clamped to [-1,
// side] needs no further test.
constexpr int kBefore = 1;
constexpr int kPadding = 3;

// The four weights of bilinear interpolation sum to 256, so that 16 bits hold a weighted sum of
// bytes.
struct Weights {
  uint32_t w00, w01, w10, w11;
};
inline Weights BilinearWeights(uint32_t fx, uint32_t fy) {
  const uint32_t w11 = (fx * fy + 128) >> 8;
  return {256 - fx - fy + w11, fx - w11, fy - w11, w11};
}

// A pixel as the sampler reads it: RGB in three 16-bit lanes of 64 bits, so that one multiplication
// weighs all channels; grey as a byte.
inline uint64_t Spread(const uint8_t* rgb) {
  return uint64_t{rgb[0]} | uint64_t{rgb[1]} << 16 | uint64_t{rgb[2]} << 32;
}

void SpreadRow(const uint8_t* in, int width, uint64_t* out) {
  for (int x = 0; x < width; ++x) out[x] = Spread(in + 3 * x);
}
void SpreadRow(const uint8_t* in, int width, uint8_t* out) { std::memcpy(out, in, width); }

template <typename Pixel>
void Pad(const cv::Mat& image, Pixel fill, Pixel* padded, size_t stride) {
  std::fill_n(padded, stride, fill);
  for (int y = 0; y < image.rows; ++y) {
    Pixel* row = padded + (y + kBefore) * stride;
    row[0] = fill;
    SpreadRow(image.ptr(y), image.cols, row + kBefore);
    row[image.cols + 1] = row[image.cols + 2] = fill;
  }
  std::fill_n(padded + (image.rows + kBefore) * stride, 2 * stride, fill);
}

// Where a row of output pixels is fetched from: index of the upper left neighbour in the padded
// image, and 1/256 fractions.
struct RowPlan {
  std::vector<float> x, y;
  std::vector<int32_t> index, fx, fy;
  explicit RowPlan(int width) : x(width), y(width), index(width), fx(width), fy(width) {}
};

// Coordinates become to_source * (x, y); each is clamped so that NaN lands outside too.
FLUKE_SIMD void Project(const cv::Matx33f& m, bool affine, int width, float* x, float* y) {
  if (affine) {
    for (int i = 0; i < width; ++i) {
      const float u = x[i], v = y[i];
      x[i] = m(0, 0) * u + m(0, 1) * v + m(0, 2);
      y[i] = m(1, 0) * u + m(1, 1) * v + m(1, 2);
    }
    return;
  }
  for (int i = 0; i < width; ++i) {
    const float u = x[i], v = y[i];
    const float scale = 1.0f / (m(2, 0) * u + m(2, 1) * v + m(2, 2));
    x[i] = (m(0, 0) * u + m(0, 1) * v + m(0, 2)) * scale;
    y[i] = (m(1, 0) * u + m(1, 1) * v + m(1, 2)) * scale;
  }
}

FLUKE_SIMD void Quantise(const float* x, const float* y, int width, cv::Size source, int32_t stride,
                         int32_t* index, int32_t* fx, int32_t* fy) {
  const float right = static_cast<float>(source.width), bottom = static_cast<float>(source.height);
  for (int i = 0; i < width; ++i) {
    float u = x[i] > -1.0f ? x[i] : -1.0f;
    float v = y[i] > -1.0f ? y[i] : -1.0f;
    u = u < right ? u : right;
    v = v < bottom ? v : bottom;
    const int32_t column = static_cast<int32_t>((u + kBefore) * 256.0f + 0.5f);
    const int32_t row = static_cast<int32_t>((v + kBefore) * 256.0f + 0.5f);
    index[i] = (row >> 8) * stride + (column >> 8);
    fx[i] = column & 255;
    fy[i] = row & 255;
  }
}

void SampleRow(const uint64_t* padded, size_t stride, const RowPlan& plan, int width,
               uint8_t* out) {
  constexpr uint64_t kHalf = 0x0000'0080'0080'0080u;
  for (int i = 0; i < width; ++i) {
    const Weights w = BilinearWeights(plan.fx[i], plan.fy[i]);
    const uint64_t* p = padded + plan.index[i];
    const uint64_t sum =
        p[0] * w.w00 + p[1] * w.w01 + p[stride] * w.w10 + p[stride + 1] * w.w11 + kHalf;
    out[3 * i] = static_cast<uint8_t>(sum >> 8);
    out[3 * i + 1] = static_cast<uint8_t>(sum >> 24);
    out[3 * i + 2] = static_cast<uint8_t>(sum >> 40);
  }
}

void SampleRow(const uint8_t* padded, size_t stride, const RowPlan& plan, int width, uint8_t* out) {
  for (int i = 0; i < width; ++i) {
    const Weights w = BilinearWeights(plan.fx[i], plan.fy[i]);
    const uint8_t* p = padded + plan.index[i];
    out[i] = static_cast<uint8_t>(
        (p[0] * w.w00 + p[1] * w.w01 + p[stride] * w.w10 + p[stride + 1] * w.w11 + 128) >> 8);
  }
}

// The four cubic B-spline basis functions at t in [0, 1) of an interval.
std::array<float, 4> SplineBasis(float t) {
  const float s = 1 - t;
  return {s * s * s / 6, (3 * t * t * t - 6 * t * t + 4) / 6, (3 * s * s * s - 6 * s * s + 4) / 6,
          t * t * t / 6};
}

// Evaluates a Displacement row by row: the control rows are first summed for this y, then
// interpolated along x.
class SplineRows {
 public:
  SplineRows(const Displacement& field, int width)
      : field_(field), knot_(width), basis_(4 * width) {
    for (int x = 0; x < width; ++x) {
      const double t = x / field.spacing_px;
      knot_[x] = static_cast<int32_t>(t);
      const auto basis = SplineBasis(static_cast<float>(t - knot_[x]));
      for (int k = 0; k < 4; ++k) basis_[k * width + x] = basis[k];
    }
    row_.resize(2 * field.dx.cols);
  }

  void Add(int y, int width, float* x_out, float* y_out) {
    const double t = y / field_.spacing_px;
    const int knot = static_cast<int>(t);
    const auto basis = SplineBasis(static_cast<float>(t - knot));
    const int controls = field_.dx.cols;
    float* dx = row_.data();
    float* dy = dx + controls;
    std::fill(row_.begin(), row_.end(), 0.0f);
    for (int k = 0; k < 4; ++k) {
      const float* from_x = field_.dx.ptr<float>(knot + k);
      const float* from_y = field_.dy.ptr<float>(knot + k);
      for (int c = 0; c < controls; ++c) {
        dx[c] += basis[k] * from_x[c];
        dy[c] += basis[k] * from_y[c];
      }
    }
    Interpolate(dx, dy, knot_.data(), basis_.data(), width, x_out, y_out);
  }

 private:
  FLUKE_SIMD static void Interpolate(const float* dx, const float* dy, const int32_t* knots,
                                     const float* basis, int width, float* x_out, float* y_out) {
    for (int x = 0; x < width; ++x) {
      const int32_t c = knots[x];
      const float b0 = basis[x], b1 = basis[width + x], b2 = basis[2 * width + x],
                  b3 = basis[3 * width + x];
      x_out[x] += b0 * dx[c] + b1 * dx[c + 1] + b2 * dx[c + 2] + b3 * dx[c + 3];
      y_out[x] += b0 * dy[c] + b1 * dy[c + 1] + b2 * dy[c + 2] + b3 * dy[c + 3];
    }
  }

  const Displacement& field_;
  std::vector<int32_t> knot_;
  std::vector<float> basis_;
  std::vector<float> row_;
};

template <typename Pixel>
cv::Mat Sample(const cv::Mat& image, const cv::Matx33d& to_source, const Displacement* field,
               cv::Size size, Pixel fill) {
  const size_t stride = image.cols + kPadding;
  // Kept from call to call: a fresh megabyte costs more page faults than the interpolation takes.
  thread_local std::vector<Pixel> padded;
  padded.resize(stride * (image.rows + kPadding));
  Pad(image, fill, padded.data(), stride);

  const cv::Matx33d unit = to_source * (1 / to_source(2, 2));
  const bool affine = unit(2, 0) == 0 && unit(2, 1) == 0;
  cv::Mat out = BorrowBuffer(size, image.type());
  RowPlan plan(size.width);
  std::optional<SplineRows> spline;
  if (field != nullptr) spline.emplace(*field, size.width);
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      plan.x[x] = static_cast<float>(x);
      plan.y[x] = static_cast<float>(y);
    }
    if (spline) spline->Add(y, size.width, plan.x.data(), plan.y.data());
    Project(cv::Matx33f(unit), affine, size.width, plan.x.data(), plan.y.data());
    Quantise(plan.x.data(), plan.y.data(), size.width, image.size(), static_cast<int32_t>(stride),
             plan.index.data(), plan.fx.data(), plan.fy.data());
    SampleRow(padded.data(), stride, plan, size.width, out.ptr(y));
  }
  return out;
}

}  // namespace

cv::Mat WarpImage(const cv::Mat& image, const cv::Matx33d& to_source, const Displacement* field,
                  cv::Size size, const std::array<uint8_t, 3>& fill) {
  if (image.channels() == 1) return Sample<uint8_t>(image, to_source, field, size, fill[0]);
  return Sample<uint64_t>(image, to_source, field, size, Spread(fill.data()));
}

}  // namespace fluke::train
