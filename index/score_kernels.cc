#include "index/score_kernels.h"

#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fluke {
namespace {

constexpr int kLanes = 16;

// An instruction set gives Tile<kL2, Q, R>: the scores of Q queries and R rows at once, held in
// registers so that each loaded value is used several times. queries: Q x dimension; rows: R of
// `dimension`; the score of query q and row r goes to out[q * stride + r]. The loops over q and r
// must be unrolled: otherwise GCC keeps the sums in memory.

struct Portable {
  static constexpr int kQueries = 1, kRows = 1, kRowsAlone = 1;

  template <bool kL2, int Q, int R>
  static void Tile(const float* queries, const float* const* rows, int64_t dimension, float* out,
                   int64_t stride) {
    for (int q = 0; q < Q; ++q) {
      for (int r = 0; r < R; ++r) {
        const float* query = queries + q * dimension;
        const float* row = rows[r];
        float lanes[kLanes] = {};
        for (int64_t i = 0; i < dimension; ++i) {
          const float a = kL2 ? query[i] - row[i] : query[i];
          const float b = kL2 ? a : row[i];
          lanes[i % kLanes] = std::fma(a, b, lanes[i % kLanes]);
        }
        for (int distance = kLanes / 2; distance > 0; distance /= 2) {
          for (int j = 0; j < distance; ++j) lanes[j] += lanes[j + distance];
        }
        out[q * stride + r] = kL2 ? -lanes[0] : lanes[0];
      }
    }
  }
  static bool Supported() { return true; }
};

#if defined(__x86_64__)

// Adds lanes 4, 2 and 1 apart; the caller has added those 8 apart.
__attribute__((target("avx"), always_inline)) inline float AddLanes(__m256 lanes) {
  const __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
  const __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
  return _mm_cvtss_f32(_mm_add_ss(by2, _mm_movehdup_ps(by2)));
}

struct Avx2 {
  static constexpr int kQueries = 2, kRows = 2, kRowsAlone = 4;
  static bool Supported() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  }

  // The masked loads of the last components give zeros, which leave a sum as it is.
  template <bool kL2, int Q, int R>
  __attribute__((target("avx2,fma"))) static void Tile(const float* queries,
                                                       const float* const* rows, int64_t dimension,
                                                       float* out, int64_t stride) {
    __m256 low[Q][R], high[Q][R];
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) low[q][r] = high[q][r] = _mm256_setzero_ps();
    }
    const int64_t whole = dimension / kLanes * kLanes;
    for (int64_t i = 0; i < whole; i += kLanes) {
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const __m256 row_low = _mm256_loadu_ps(rows[r] + i);
        const __m256 row_high = _mm256_loadu_ps(rows[r] + i + 8);
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
          __m256 a = _mm256_loadu_ps(queries + q * dimension + i);
          __m256 b = _mm256_loadu_ps(queries + q * dimension + i + 8);
          if (kL2) {
            a = _mm256_sub_ps(a, row_low);
            b = _mm256_sub_ps(b, row_high);
          }
          low[q][r] = _mm256_fmadd_ps(a, kL2 ? a : row_low, low[q][r]);
          high[q][r] = _mm256_fmadd_ps(b, kL2 ? b : row_high, high[q][r]);
        }
      }
    }
    if (whole < dimension) {
      const __m256i left = _mm256_set1_epi32(static_cast<int>(dimension - whole));
      const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
      const __m256i mask_low = _mm256_cmpgt_epi32(left, lane);
      const __m256i mask_high =
          _mm256_cmpgt_epi32(left, _mm256_add_epi32(lane, _mm256_set1_epi32(8)));
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const float* row = rows[r] + whole;
        const __m256 row_low = _mm256_maskload_ps(row, mask_low);
        const __m256 row_high = _mm256_maskload_ps(row + 8, mask_high);
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
          const float* query = queries + q * dimension + whole;
          __m256 a = _mm256_maskload_ps(query, mask_low);
          __m256 b = _mm256_maskload_ps(query + 8, mask_high);
          if (kL2) {
            a = _mm256_sub_ps(a, row_low);
            b = _mm256_sub_ps(b, row_high);
          }
          low[q][r] = _mm256_fmadd_ps(a, kL2 ? a : row_low, low[q][r]);
          high[q][r] = _mm256_fmadd_ps(b, kL2 ? b : row_high, high[q][r]);
        }
      }
    }
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const float sum = AddLanes(_mm256_add_ps(low[q][r], high[q][r]));
        out[q * stride + r] = kL2 ? -sum : sum;
      }
    }
  }
};

struct Avx512 {
  static constexpr int kQueries = 6, kRows = 4, kRowsAlone = 8;
  static bool Supported() { return __builtin_cpu_supports("avx512f"); }

  template <bool kL2, int Q, int R>
  __attribute__((target("avx512f"))) static void Tile(const float* queries,
                                                      const float* const* rows, int64_t dimension,
                                                      float* out, int64_t stride) {
    __m512 lanes[Q][R];
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) lanes[q][r] = _mm512_setzero_ps();
    }
    int64_t i = 0;
    for (; i + kLanes <= dimension; i += kLanes) {
      __m512 row[R];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) row[r] = _mm512_loadu_ps(rows[r] + i);
#pragma GCC unroll 8
      for (int q = 0; q < Q; ++q) {
        const __m512 query = _mm512_loadu_ps(queries + q * dimension + i);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          const __m512 a = kL2 ? _mm512_sub_ps(query, row[r]) : query;
          lanes[q][r] = _mm512_fmadd_ps(a, kL2 ? a : row[r], lanes[q][r]);
        }
      }
    }
    if (i < dimension) {
      const __mmask16 mask = static_cast<__mmask16>((1u << (dimension - i)) - 1);
      __m512 row[R];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) row[r] = _mm512_maskz_loadu_ps(mask, rows[r] + i);
#pragma GCC unroll 8
      for (int q = 0; q < Q; ++q) {
        const __m512 query = _mm512_maskz_loadu_ps(mask, queries + q * dimension + i);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          const __m512 a = kL2 ? _mm512_sub_ps(query, row[r]) : query;
          lanes[q][r] = _mm512_fmadd_ps(a, kL2 ? a : row[r], lanes[q][r]);
        }
      }
    }
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        // The masked forms with a full mask: GCC 12 warns about the plain ones (its bug 105593).
        const __m512d both = _mm512_castps_pd(lanes[q][r]);
        const __m256 low = _mm256_castpd_ps(_mm512_maskz_extractf64x4_pd(0xff, both, 0));
        const __m256 high = _mm256_castpd_ps(_mm512_maskz_extractf64x4_pd(0xff, both, 1));
        const float sum = AddLanes(_mm256_add_ps(low, high));
        out[q * stride + r] = kL2 ? -sum : sum;
      }
    }
  }
};

#endif  // x86-64

// R rows that follow each other.
template <typename InstructionSet, bool kL2, int Q, int R>
void TileInOrder(const float* queries, const float* rows, int64_t dimension, float* out,
                 int64_t stride) {
  const float* each[R];
  for (int r = 0; r < R; ++r) each[r] = rows + r * dimension;
  InstructionSet::template Tile<kL2, Q, R>(queries, each, dimension, out, stride);
}

template <typename InstructionSet, bool kL2>
void Score(const float* queries, int64_t query_count, const float* rows, int64_t row_count,
           int64_t dimension, float* scores) {
  constexpr int kQ = InstructionSet::kQueries, kR = InstructionSet::kRows;
  constexpr int kAlone = InstructionSet::kRowsAlone;
  int64_t q = 0;
  for (; q + kQ <= query_count; q += kQ) {
    const float* tile_queries = queries + q * dimension;
    float* out = scores + q * row_count;
    int64_t r = 0;
    for (; r + kR <= row_count; r += kR) {
      TileInOrder<InstructionSet, kL2, kQ, kR>(tile_queries, rows + r * dimension, dimension,
                                               out + r, row_count);
    }
    for (; r < row_count; ++r) {
      TileInOrder<InstructionSet, kL2, kQ, 1>(tile_queries, rows + r * dimension, dimension,
                                              out + r, row_count);
    }
  }
  for (; q < query_count; ++q) {
    const float* query = queries + q * dimension;
    float* out = scores + q * row_count;
    int64_t r = 0;
    for (; r + kAlone <= row_count; r += kAlone) {
      TileInOrder<InstructionSet, kL2, 1, kAlone>(query, rows + r * dimension, dimension, out + r,
                                                  row_count);
    }
    for (; r < row_count; ++r) {
      TileInOrder<InstructionSet, kL2, 1, 1>(query, rows + r * dimension, dimension, out + r,
                                             row_count);
    }
  }
}

template <typename InstructionSet, bool kL2>
void ScoreEach(const float* query, const float* const* rows, int64_t row_count, int64_t dimension,
               float* scores) {
  constexpr int kAlone = InstructionSet::kRowsAlone, kHalf = (kAlone + 1) / 2;
  int64_t r = 0;
  for (; r + kAlone <= row_count; r += kAlone) {
    InstructionSet::template Tile<kL2, 1, kAlone>(query, rows + r, dimension, scores + r, kAlone);
  }
  for (; r + kHalf <= row_count; r += kHalf) {
    InstructionSet::template Tile<kL2, 1, kHalf>(query, rows + r, dimension, scores + r, kHalf);
  }
  for (; r < row_count; ++r) {
    InstructionSet::template Tile<kL2, 1, 1>(query, rows + r, dimension, scores + r, 1);
  }
}

template <typename InstructionSet>
constexpr ScoreKernel Row(std::string_view name) {
  return {name,
          InstructionSet::Supported,
          Score<InstructionSet, false>,
          Score<InstructionSet, true>,
          ScoreEach<InstructionSet, false>,
          ScoreEach<InstructionSet, true>};
}

constexpr ScoreKernel kKernels[] = {
#if defined(__x86_64__)
    Row<Avx512>("avx512"),
    Row<Avx2>("avx2"),
#endif
    Row<Portable>("portable"),
};

}  // namespace

std::span<const ScoreKernel> ScoreKernels() { return kKernels; }

const ScoreKernel& BestScoreKernel() {
  static const ScoreKernel& best = []() -> const ScoreKernel& {
    for (const ScoreKernel& kernel : kKernels) {
      if (kernel.supported()) return kernel;
    }
    return kKernels[std::size(kKernels) - 1];
  }();
  return best;
}

}  // namespace fluke
