#include "common/panel_products.h"

#include <array>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fluke {
namespace {

template <int kRows>
struct Portable {
  static void Multiply(const float* rows, const float* panel, int64_t depth, float* sums,
                       int64_t stride) {
    float all[kRows][kPanel] = {};
    for (int r = 0; r < kRows; ++r) {
      for (int64_t i = 0; i < depth; ++i) {
        const float value = rows[r * depth + i];
        for (int64_t c = 0; c < kPanel; ++c) all[r][c] += value * panel[i * kPanel + c];
      }
      for (int64_t c = 0; c < kPanel; ++c) sums[r * stride + c] = all[r][c];
    }
  }
};

#if defined(__x86_64__)
// The loops over rows must be unrolled: otherwise GCC keeps the sums in memory.
template <int kRows>
struct Avx2 {
  __attribute__((target("avx2,fma"))) static void Multiply(const float* rows, const float* panel,
                                                           int64_t depth, float* sums,
                                                           int64_t stride) {
    __m256 low[kRows], high[kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) low[r] = high[r] = _mm256_setzero_ps();
    for (int64_t i = 0; i < depth; ++i) {
      const __m256 panel_low = _mm256_loadu_ps(panel + i * kPanel);
      const __m256 panel_high = _mm256_loadu_ps(panel + i * kPanel + 8);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const __m256 value = _mm256_broadcast_ss(rows + r * depth + i);
        low[r] = _mm256_fmadd_ps(value, panel_low, low[r]);
        high[r] = _mm256_fmadd_ps(value, panel_high, high[r]);
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      _mm256_storeu_ps(sums + r * stride, low[r]);
      _mm256_storeu_ps(sums + r * stride + 8, high[r]);
    }
  }
};

template <int kRows>
struct Avx512 {
  __attribute__((target("avx512f"))) static void Multiply(const float* rows, const float* panel,
                                                          int64_t depth, float* sums,
                                                          int64_t stride) {
    __m512 all[kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) all[r] = _mm512_setzero_ps();
    for (int64_t i = 0; i < depth; ++i) {
      const __m512 columns = _mm512_loadu_ps(panel + i * kPanel);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        all[r] = _mm512_fmadd_ps(_mm512_set1_ps(rows[r * depth + i]), columns, all[r]);
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) _mm512_storeu_ps(sums + r * stride, all[r]);
  }
};
#endif

// Of one row to as many as the sequence is long.
template <template <int> class Kind, int... kLess>
std::span<const PanelProduct> All(std::integer_sequence<int, kLess...>) {
  static constexpr std::array<PanelProduct, sizeof...(kLess)> kAll = {Kind<kLess + 1>::Multiply...};
  return kAll;
}

std::span<const PanelProduct> Pick() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return All<Avx512>(std::make_integer_sequence<int, 12>());
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return All<Avx2>(std::make_integer_sequence<int, 6>());
  }
#endif
  return All<Portable>(std::make_integer_sequence<int, 4>());
}

}  // namespace

std::span<const PanelProduct> PanelProducts() {
  static const std::span<const PanelProduct> picked = Pick();
  return picked;
}

bool PanelProductsAreQuick() { return PanelProducts().size() > 4; }

}  // namespace fluke
