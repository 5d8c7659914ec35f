#include "index/code_hits.h"

#include <algorithm>

namespace fluke {
namespace {

template <bool kL2>
__attribute__((always_inline)) inline void FindHits(const CodeChunk& chunk, const QueryCodes& query,
                                                    const int32_t* dots, int64_t first, int64_t end,
                                                    float threshold, CodeHits& hits) {
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

template <bool kL2>
void FindHitsPlainly(const CodeChunk& chunk, const QueryCodes& query, const int32_t* dots,
                     int64_t first, int64_t end, float threshold, CodeHits& hits) {
  FindHits<kL2>(chunk, query, dots, first, end, threshold, hits);
}

#if defined(__x86_64__)
template <bool kL2>
__attribute__((target("avx2,fma"))) void FindHitsAvx2(const CodeChunk& chunk,
                                                      const QueryCodes& query, const int32_t* dots,
                                                      int64_t first, int64_t end, float threshold,
                                                      CodeHits& hits) {
  FindHits<kL2>(chunk, query, dots, first, end, threshold, hits);
}

template <bool kL2>
__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,prefer-vector-width=512"))) void
FindHitsAvx512(const CodeChunk& chunk, const QueryCodes& query, const int32_t* dots, int64_t first,
               int64_t end, float threshold, CodeHits& hits) {
  FindHits<kL2>(chunk, query, dots, first, end, threshold, hits);
}
#endif

template <bool kL2>
FindHitsFunction Best() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    return FindHitsAvx512<kL2>;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return FindHitsAvx2<kL2>;
#endif
  return FindHitsPlainly<kL2>;
}

}  // namespace

FindHitsFunction BestFindHits(bool l2) { return l2 ? Best<true>() : Best<false>(); }

}  // namespace fluke
