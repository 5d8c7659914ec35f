#include "common/metrics/scores.h"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fluke {
namespace {

constexpr int64_t kTileRows = 240;  // gallery rows that stay in the L2 cache while all groups pass

// kRows gallery rows (each `d` long, side by side in memory) with one group of queries (d x 16);
// scores[q * n + r].
using Kernel = void (*)(const float* group, const float* rows, int64_t d, int64_t n, float* scores);

void StoreColumns(const float (*sums)[kScoreGroup], int64_t rows, int64_t n, float* scores) {
  for (int64_t q = 0; q < kScoreGroup; ++q) {
    for (int64_t r = 0; r < rows; ++r) scores[q * n + r] = sums[r][q];
  }
}

template <int64_t kRows>
void PortableKernel(const float* group, const float* rows, int64_t d, int64_t n, float* scores) {
  float sums[kRows][kScoreGroup] = {};
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t k = 0; k < d; ++k) {
      const float coordinate = rows[r * d + k];
      for (int64_t q = 0; q < kScoreGroup; ++q)
        sums[r][q] += coordinate * group[k * kScoreGroup + q];
    }
  }
  StoreColumns(sums, kRows, n, scores);
}

#if defined(__x86_64__)
// The loops over rows must be unrolled: otherwise GCC keeps the sums in memory.
template <int64_t kRows>
__attribute__((target("avx2,fma"))) void Avx2Kernel(const float* group, const float* rows,
                                                    int64_t d, int64_t n, float* scores) {
  __m256 low[kRows], high[kRows];
#pragma GCC unroll 16
  for (int64_t r = 0; r < kRows; ++r) low[r] = high[r] = _mm256_setzero_ps();
  for (int64_t k = 0; k < d; ++k) {
    const __m256 queries_low = _mm256_loadu_ps(group + k * kScoreGroup);
    const __m256 queries_high = _mm256_loadu_ps(group + k * kScoreGroup + 8);
#pragma GCC unroll 16
    for (int64_t r = 0; r < kRows; ++r) {
      const __m256 coordinate = _mm256_broadcast_ss(rows + r * d + k);
      low[r] = _mm256_fmadd_ps(coordinate, queries_low, low[r]);
      high[r] = _mm256_fmadd_ps(coordinate, queries_high, high[r]);
    }
  }
  float sums[kRows][kScoreGroup];
#pragma GCC unroll 16
  for (int64_t r = 0; r < kRows; ++r) {
    _mm256_storeu_ps(sums[r], low[r]);
    _mm256_storeu_ps(sums[r] + 8, high[r]);
  }
  StoreColumns(sums, kRows, n, scores);
}

template <int64_t kRows>
__attribute__((target("avx512f"))) void Avx512Kernel(const float* group, const float* rows,
                                                     int64_t d, int64_t n, float* scores) {
  __m512 all[kRows];
#pragma GCC unroll 16
  for (int64_t r = 0; r < kRows; ++r) all[r] = _mm512_setzero_ps();
  for (int64_t k = 0; k < d; ++k) {
    const __m512 queries = _mm512_loadu_ps(group + k * kScoreGroup);
#pragma GCC unroll 16
    for (int64_t r = 0; r < kRows; ++r) {
      all[r] = _mm512_fmadd_ps(_mm512_set1_ps(rows[r * d + k]), queries, all[r]);
    }
  }
  float sums[kRows][kScoreGroup];
#pragma GCC unroll 16
  for (int64_t r = 0; r < kRows; ++r) _mm512_storeu_ps(sums[r], all[r]);
  StoreColumns(sums, kRows, n, scores);
}
#endif

// As many rows at once as their sums fit in the registers.
struct Kernels {
  int64_t rows_at_once;
  Kernel many;
  Kernel one;
};

Kernels PickKernels() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {12, Avx512Kernel<12>, Avx512Kernel<1>};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return {6, Avx2Kernel<6>, Avx2Kernel<1>};
  }
#endif
  return {4, PortableKernel<4>, PortableKernel<1>};
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
  static const Kernels kernels = PickKernels();
  const int64_t group_size = kScoreGroup * d;
  const int64_t groups = static_cast<int64_t>(packed.size()) / std::max<int64_t>(group_size, 1);
  for (int64_t tile = 0; tile < n; tile += kTileRows) {
    const int64_t tile_end = std::min(n, tile + kTileRows);
    for (int64_t g = 0; g < groups; ++g) {
      const float* group = packed.data() + g * group_size;
      float* group_scores = scores + g * kScoreGroup * n;
      int64_t row = tile;
      for (; row + kernels.rows_at_once <= tile_end; row += kernels.rows_at_once) {
        kernels.many(group, gallery.data() + row * d, d, n, group_scores + row);
      }
      for (; row < tile_end; ++row) {
        kernels.one(group, gallery.data() + row * d, d, n, group_scores + row);
      }
    }
  }
}

}  // namespace fluke
