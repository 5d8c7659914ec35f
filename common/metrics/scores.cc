#include "common/metrics/scores.h"

#include <algorithm>

#include "common/panel_products.h"

namespace fluke {
namespace {

static_assert(kScoreGroup == kPanel);

constexpr int64_t kTileRows = 240;  // gallery rows that stay in the L2 cache while all groups pass
constexpr int64_t kMostRows = 12;   // of PanelProducts

[[gnu::always_inline]] inline void StoreColumns(const float (*sums)[kScoreGroup], int64_t rows,
                                                int64_t n, float* scores) {
  for (int64_t q = 0; q < kScoreGroup; ++q) {
    for (int64_t r = 0; r < rows; ++r) scores[q * n + r] = sums[r][q];
  }
}

}  // namespace

std::vector<float> PackQueries(std::span<const float> vectors, int64_t d,
                               std::span<const int64_t> rows) {
  const auto count = static_cast<int64_t>(rows.size());
  const int64_t groups = (count + kScoreGroup - 1) / kScoreGroup;
  std::vector<float> packed(groups * kScoreGroup * d);
  for (int64_t q = 0; q < count; ++q) {
    float* group = packed.data() + q / kScoreGroup * kScoreGroup * d;
    for (int64_t k = 0; k < d; ++k) {
      group[k * kScoreGroup + q % kScoreGroup] = vectors[rows[q] * d + k];
    }
  }
  return packed;
}

void ScoreBlock(std::span<const float> packed, std::span<const float> gallery, int64_t n, int64_t d,
                float* scores) {
  const std::span<const PanelProduct> products = PanelProducts();
  const auto at_once = static_cast<int64_t>(products.size());
  float sums[kMostRows][kScoreGroup];
  const int64_t group_size = kScoreGroup * d;
  const int64_t groups = static_cast<int64_t>(packed.size()) / std::max<int64_t>(group_size, 1);
  for (int64_t tile = 0; tile < n; tile += kTileRows) {
    const int64_t tile_end = std::min(n, tile + kTileRows);
    for (int64_t g = 0; g < groups; ++g) {
      const float* group = packed.data() + g * group_size;
      float* group_scores = scores + g * kScoreGroup * n;
      for (int64_t row = tile; row < tile_end; row += at_once) {
        const int64_t some = std::min(at_once, tile_end - row);
        products[some - 1](gallery.data() + row * d, group, d, sums[0], kScoreGroup);
        // Nearly always all at once, whose number the compiler then knows.
        if (some == kMostRows) {
          StoreColumns(sums, kMostRows, n, group_scores + row);
        } else if (some == kMostRows / 2) {
          StoreColumns(sums, kMostRows / 2, n, group_scores + row);
        } else {
          StoreColumns(sums, some, n, group_scores + row);
        }
      }
    }
  }
}

}  // namespace fluke
