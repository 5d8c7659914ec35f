#include "train/models/winograd.h"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include <ATen/Parallel.h>

#include "common/panel_products.h"
#include "train/data/simd.h"

namespace fluke::train {
namespace {

constexpr int64_t kIn = 6, kOut = 4;  // a tile's side before and after
constexpr int64_t kParts = kIn * kIn;
// Enough that weights in the cache serve many; a multiple of PanelProducts' rows.
constexpr int64_t kTilesAtOnce = 60;
constexpr int64_t kMostChannelsAtOnce = 64;

// G of the paper, whose rows turn three weights into six.
constexpr double kG[kIn][3] = {{1. / 4, 0, 0},
                               {-1. / 6, -1. / 6, -1. / 6},
                               {-1. / 6, 1. / 6, -1. / 6},
                               {1. / 24, 1. / 12, 1. / 6},
                               {1. / 24, -1. / 12, 1. / 6},
                               {0, 0, 1}};

// B^T and A^T of the paper over n channels: six values in a line of a tile become six, or four.
FLUKE_SIMD void TransformIn(const float* const* in, float* const* out, int64_t n) {
  const float *const d0 = in[0], *const d1 = in[1], *const d2 = in[2], *const d3 = in[3],
                     *const d4 = in[4], *const d5 = in[5];
  float *const v0 = out[0], *const v1 = out[1], *const v2 = out[2], *const v3 = out[3],
               *const v4 = out[4], *const v5 = out[5];
#pragma GCC ivdep
  for (int64_t c = 0; c < n; ++c) {
    const float even = d4[c] - 4 * d2[c], odd = d3[c] - 4 * d1[c];
    const float far_even = d4[c] - d2[c], far_odd = 2 * (d3[c] - d1[c]);
    v0[c] = 4 * d0[c] - 5 * d2[c] + d4[c];
    v1[c] = even + odd;
    v2[c] = even - odd;
    v3[c] = far_even + far_odd;
    v4[c] = far_even - far_odd;
    v5[c] = 4 * d1[c] - 5 * d3[c] + d5[c];
  }
}

FLUKE_SIMD void TransformOut(const float* const* in, float* const* out, int64_t n) {
  const float *const m0 = in[0], *const m1 = in[1], *const m2 = in[2], *const m3 = in[3],
                     *const m4 = in[4], *const m5 = in[5];
  float *const y0 = out[0], *const y1 = out[1], *const y2 = out[2], *const y3 = out[3];
#pragma GCC ivdep
  for (int64_t c = 0; c < n; ++c) {
    const float near_sum = m1[c] + m2[c], near_gap = m1[c] - m2[c];
    const float far_sum = m3[c] + m4[c], far_gap = m3[c] - m4[c];
    y0[c] = m0[c] + near_sum + far_sum;
    y1[c] = near_gap + 2 * far_gap;
    y2[c] = near_sum + 4 * far_sum;
    y3[c] = near_gap + 8 * far_gap + m5[c];
  }
}

// y = value + bias, and y where `add` is set, and 0 where `relu` is set and that is less; a NaN
// stays.
FLUKE_SIMD void Finish(const float* value, const float* bias, bool add, bool relu, float* y,
                       int64_t n) {
  const float floor = relu ? 0 : -std::numeric_limits<float>::infinity();
#pragma GCC ivdep
  for (int64_t c = 0; c < n; ++c) {
    const float sum = value[c] + bias[c] + (add ? y[c] : 0);
    y[c] = sum < floor ? floor : sum;
  }
}

// a: rows x depth; b: panels x depth x kPanel; c: rows x (panels kPanel).
void Multiply(const float* a, const float* b, int64_t rows, int64_t depth, int64_t panels,
              float* c) {
  const std::span<const PanelProduct> products = PanelProducts();
  const auto at_once = static_cast<int64_t>(products.size());
  const int64_t width = panels * kPanel;
  for (int64_t panel = 0; panel < panels; ++panel) {
    const float* const weights = b + panel * depth * kPanel;
    for (int64_t row = 0; row < rows; row += at_once) {
      const auto multiply = products[static_cast<size_t>(std::min(at_once, rows - row) - 1)];
      multiply(a + row * depth, weights, depth, c + row * width + panel * kPanel, width);
    }
  }
}

// The tiles of a batch of channels-last maps, numbered from the first map's upper left.
struct Tiles {
  int64_t n, h, w, down, across;

  explicit Tiles(at::IntArrayRef x)
      : n(x[0]),
        h(x[2]),
        w(x[3]),
        down((x[2] + kOut - 1) / kOut),
        across((x[3] + kOut - 1) / kOut) {}
  int64_t count() const { return n * down * across; }
};

// One thread's room.
struct Room {
  Room(int64_t tiles, int64_t in, int64_t out)
      : before(std::make_unique_for_overwrite<float[]>(static_cast<size_t>(kParts * tiles * in))),
        after(std::make_unique_for_overwrite<float[]>(static_cast<size_t>(kParts * tiles * out))) {}
  // Transformed tiles, and their products with the weights.
  std::unique_ptr<float[]> before, after;
  std::array<float, kParts* kMostChannelsAtOnce> lines = {};
  std::array<float, kOut* kMostChannelsAtOnce> pixels = {};
  std::array<float, kMostChannelsAtOnce> zeros = {};
};

// Tiles [first, first + count) of x into room.before.
void ReadTiles(const float* x, const Tiles& tiles, int64_t channels, int64_t first, int64_t count,
               int64_t stride, Room& room) {
  float* const before = room.before.get();
  for (int64_t t = 0; t < count; ++t) {
    const int64_t tile = first + t, map = tile / (tiles.down * tiles.across);
    const int64_t top = tile / tiles.across % tiles.down * kOut - 1;
    const int64_t left = tile % tiles.across * kOut - 1;
    for (int64_t c = 0; c < channels; c += kMostChannelsAtOnce) {
      const int64_t some = std::min(kMostChannelsAtOnce, channels - c);
      const float* in[kIn];
      float* out[kIn];
      for (int64_t column = 0; column < kIn; ++column) {
        const int64_t px = left + column;
        for (int64_t row = 0; row < kIn; ++row) {
          const int64_t py = top + row;
          const bool inside = py >= 0 && py < tiles.h && px >= 0 && px < tiles.w;
          in[row] =
              inside ? x + ((map * tiles.h + py) * tiles.w + px) * channels + c : room.zeros.data();
          out[row] = room.lines.data() + (row * kIn + column) * kMostChannelsAtOnce;
        }
        TransformIn(in, out, some);
      }
      for (int64_t row = 0; row < kIn; ++row) {
        for (int64_t column = 0; column < kIn; ++column) {
          in[column] = room.lines.data() + (row * kIn + column) * kMostChannelsAtOnce;
          out[column] = before + ((row * kIn + column) * stride + t) * channels + c;
        }
        TransformIn(in, out, some);
      }
    }
  }
}

// The same tiles of y out of room.after, which has `width` channels: those beyond `channels` fill a
// panel up.
void WriteTiles(const float* bias, const Tiles& tiles, int64_t channels, int64_t width,
                int64_t first, int64_t count, int64_t stride, bool add, bool relu, Room& room,
                float* y) {
  const float* const after = room.after.get();
  for (int64_t t = 0; t < count; ++t) {
    const int64_t tile = first + t, map = tile / (tiles.down * tiles.across);
    const int64_t top = tile / tiles.across % tiles.down * kOut;
    const int64_t left = tile % tiles.across * kOut;
    for (int64_t c = 0; c < channels; c += kMostChannelsAtOnce) {
      const int64_t some = std::min(kMostChannelsAtOnce, channels - c);
      const float* in[kIn];
      float* out[kOut];
      for (int64_t column = 0; column < kIn; ++column) {
        for (int64_t row = 0; row < kIn; ++row) {
          in[row] = after + ((row * kIn + column) * stride + t) * width + c;
        }
        for (int64_t row = 0; row < kOut; ++row) {
          out[row] = room.lines.data() + (row * kIn + column) * kMostChannelsAtOnce;
        }
        TransformOut(in, out, some);
      }
      for (int64_t row = 0; row < std::min(kOut, tiles.h - top); ++row) {
        for (int64_t column = 0; column < kIn; ++column) {
          in[column] = room.lines.data() + (row * kIn + column) * kMostChannelsAtOnce;
        }
        for (int64_t column = 0; column < kOut; ++column) {
          out[column] = room.pixels.data() + column * kMostChannelsAtOnce;
        }
        TransformOut(in, out, some);
        float* const pixel = y + ((map * tiles.h + top + row) * tiles.w + left) * channels + c;
        for (int64_t column = 0; column < std::min(kOut, tiles.w - left); ++column) {
          Finish(out[column], bias + c, add, relu, pixel + column * channels, some);
        }
      }
    }
  }
}

}  // namespace

WinogradConv::WinogradConv(const at::Tensor& weight, const at::Tensor& bias)
    : in_(weight.size(1)), out_(weight.size(0)), bias_(bias.contiguous()) {
  const at::Tensor plain = weight.contiguous();
  const float* const w = plain.const_data_ptr<float>();
  const int64_t panels = (out_ + kPanel - 1) / kPanel;
  // Zeros: those that fill a panel up stay.
  weight_.resize(static_cast<size_t>(kParts * panels * in_ * kPanel));
  at::parallel_for(0, out_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      for (int64_t i = 0; i < in_; ++i) {
        const float* const one = w + (o * in_ + i) * 9;
        double lines[kIn][3];  // G w
        for (int64_t r = 0; r < kIn; ++r) {
          for (int64_t c = 0; c < 3; ++c) {
            lines[r][c] = kG[r][0] * one[c] + kG[r][1] * one[3 + c] + kG[r][2] * one[6 + c];
          }
        }
        for (int64_t part = 0; part < kParts; ++part) {
          const double* const line = lines[part / kIn];
          const double* const g = kG[part % kIn];
          weight_[static_cast<size_t>(((part * panels + o / kPanel) * in_ + i) * kPanel +
                                      o % kPanel)] =
              static_cast<float>(line[0] * g[0] + line[1] * g[1] + line[2] * g[2]);
        }
      }
    }
  });
}

bool WinogradConv::Pays(at::IntArrayRef weight_sizes, at::IntArrayRef x_sizes) {
  // Few channels are all transforms and no products; the weights, four times as many, want to be
  // read for many tiles.
  constexpr int64_t kFewestChannels = 32, kFewestTiles = 32;
  return PanelProductsAreQuick() && weight_sizes[0] >= kFewestChannels &&
         weight_sizes[1] >= kFewestChannels && Tiles(x_sizes).count() >= kFewestTiles;
}

at::Tensor WinogradConv::Run(const at::Tensor& x, bool relu) const {
  at::Tensor y = at::empty({x.size(0), out_, x.size(2), x.size(3)},
                           x.options().memory_format(at::MemoryFormat::ChannelsLast));
  RunInto(x, y, false, relu);
  return y;
}

void WinogradConv::AddRelu(const at::Tensor& x, at::Tensor& sum) const {
  RunInto(x, sum, true, true);
}

void WinogradConv::RunInto(const at::Tensor& x, at::Tensor& y, bool add, bool relu) const {
  const Tiles tiles(x.sizes());
  const int64_t panels = (out_ + kPanel - 1) / kPanel, width = panels * kPanel;
  const int64_t threads = at::get_num_threads();
  const int64_t at_once =
      std::clamp<int64_t>((tiles.count() + threads - 1) / threads, 1, kTilesAtOnce);
  const int64_t blocks = (tiles.count() + at_once - 1) / at_once;
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    Room room(at_once, in_, width);
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * at_once;
      const int64_t count = std::min(at_once, tiles.count() - first);
      ReadTiles(x.const_data_ptr<float>(), tiles, in_, first, count, at_once, room);
      for (int64_t part = 0; part < kParts; ++part) {
        Multiply(room.before.get() + part * at_once * in_,
                 weight_.data() + part * panels * in_ * kPanel, count, in_, panels,
                 room.after.get() + part * at_once * width);
      }
      WriteTiles(bias_.const_data_ptr<float>(), tiles, out_, width, first, count, at_once, add,
                 relu, room, y.data_ptr<float>());
    }
  });
}

}  // namespace fluke::train
