#include "index/code_hits.h"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fluke {
namespace {

template <bool kL2>
void FindHitsPlainly(const CodeChunk& chunk, const QueryCodes& query, const int32_t* dots,
                     int64_t first, int64_t end, float threshold, CodeHits& hits) {
  const int32_t shift = 128 * query.code_sum;
  const float scale = query.scale, head = query.head_norm, tail = query.tail_norm;
  hits.count = 0;
  for (int64_t block = first; block < end; block += kCodeBlockRows) {
    int reaches = 0;
    for (int64_t p = block; p < block + kCodeBlockRows; ++p) {
      float middle = scale * chunk.scales[p] * static_cast<float>(dots[p - first] - shift);
      if (kL2) middle += chunk.offsets[p];
      const float upper = middle + head * chunk.code_errors[p] + tail * chunk.tails[p];
      hits.middle[p] = middle;
      hits.upper[p] = upper;
      reaches |= upper >= threshold ? 1 : 0;
    }
    if (reaches == 0) continue;
    for (int64_t p = block; p < std::min(block + kCodeBlockRows, end); ++p) {
      if (hits.upper[p] >= threshold) hits.positions[hits.count++] = static_cast<int32_t>(p);
    }
  }
}

#if defined(__x86_64__)
template <bool kL2>
__attribute__((target("avx2,fma"))) void FindHitsAvx2(const CodeChunk& chunk,
                                                      const QueryCodes& query, const int32_t* dots,
                                                      int64_t first, int64_t end, float threshold,
                                                      CodeHits& hits) {
  constexpr int64_t kLanes = 8;
  static_assert(kCodeBlockRows % kLanes == 0);
  const __m256i shift = _mm256_set1_epi32(128 * query.code_sum);
  const __m256 scale = _mm256_set1_ps(query.scale), least = _mm256_set1_ps(threshold);
  const __m256 head = _mm256_set1_ps(query.head_norm), tail = _mm256_set1_ps(query.tail_norm);
  int64_t count = 0;
  for (int64_t p = first; p < end; p += kLanes) {
    const auto* products = reinterpret_cast<const __m256i*>(dots + (p - first));
    const __m256i dot = _mm256_sub_epi32(_mm256_loadu_si256(products), shift);
    __m256 middle = _mm256_mul_ps(_mm256_mul_ps(scale, _mm256_loadu_ps(chunk.scales + p)),
                                  _mm256_cvtepi32_ps(dot));
    if (kL2) middle = _mm256_add_ps(middle, _mm256_loadu_ps(chunk.offsets + p));
    __m256 upper = _mm256_fmadd_ps(head, _mm256_loadu_ps(chunk.code_errors + p), middle);
    upper = _mm256_fmadd_ps(tail, _mm256_loadu_ps(chunk.tails + p), upper);
    auto reach = static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(upper, least, _CMP_GE_OQ)));
    if (end - p < kLanes) reach &= (1u << (end - p)) - 1;
    if (reach == 0) continue;
    _mm256_store_ps(hits.middle + p, middle);
    _mm256_store_ps(hits.upper + p, upper);
    for (; reach != 0; reach &= reach - 1) {
      hits.positions[count++] = static_cast<int32_t>(p + __builtin_ctz(reach));
    }
  }
  hits.count = count;
}

template <bool kL2>
__attribute__((target("avx512f,avx512vl"))) void FindHitsAvx512(const CodeChunk& chunk,
                                                                const QueryCodes& query,
                                                                const int32_t* dots, int64_t first,
                                                                int64_t end, float threshold,
                                                                CodeHits& hits) {
  static_assert(kCodeBlockRows == 16);
  // The masked form of a conversion with a full mask: GCC 12 warns about the plain one (its bug
  // 105593).
  const __m512i shift = _mm512_set1_epi32(128 * query.code_sum);
  const __m512 scale = _mm512_set1_ps(query.scale), least = _mm512_set1_ps(threshold);
  const __m512 head = _mm512_set1_ps(query.head_norm), tail = _mm512_set1_ps(query.tail_norm);
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  int64_t count = 0;
  for (int64_t p = first; p < end; p += kCodeBlockRows) {
    const __m512i dot = _mm512_sub_epi32(_mm512_loadu_si512(dots + (p - first)), shift);
    __m512 middle = _mm512_mul_ps(_mm512_mul_ps(scale, _mm512_loadu_ps(chunk.scales + p)),
                                  _mm512_maskz_cvtepi32_ps(0xffff, dot));
    if (kL2) middle = _mm512_add_ps(middle, _mm512_loadu_ps(chunk.offsets + p));
    __m512 upper = _mm512_fmadd_ps(head, _mm512_loadu_ps(chunk.code_errors + p), middle);
    upper = _mm512_fmadd_ps(tail, _mm512_loadu_ps(chunk.tails + p), upper);
    __mmask16 reach = _mm512_cmp_ps_mask(upper, least, _CMP_GE_OQ);
    if (end - p < kCodeBlockRows) reach &= static_cast<__mmask16>((1u << (end - p)) - 1);
    if (reach == 0) continue;
    _mm512_store_ps(hits.middle + p, middle);
    _mm512_store_ps(hits.upper + p, upper);
    const __m512i positions = _mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int>(p)));
    // Whole lines: compressing straight to memory is slow on some machines.
    _mm512_storeu_si512(hits.positions + count, _mm512_maskz_compress_epi32(reach, positions));
    count += __builtin_popcount(reach);
  }
  hits.count = count;
}
#endif

template <bool kL2>
FindHitsFunction Best() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) {
    return FindHitsAvx512<kL2>;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return FindHitsAvx2<kL2>;
#endif
  return FindHitsPlainly<kL2>;
}

}  // namespace

FindHitsFunction BestFindHits(bool l2) { return l2 ? Best<true>() : Best<false>(); }

}  // namespace fluke
