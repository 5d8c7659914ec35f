#include "index/code_kernels.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace fluke {
namespace {

void PortableDots(const uint8_t* codes, int64_t block_count, int64_t groups, const int8_t* queries,
                  int64_t query_count, int32_t* dots) {
  for (int64_t q = 0; q < query_count; ++q) {
    const int8_t* query = queries + q * 4 * groups;
    for (int64_t b = 0; b < block_count; ++b) {
      int32_t* out = dots + (q * block_count + b) * kCodeBlockRows;
      std::fill(out, out + kCodeBlockRows, 0);
      const uint8_t* block = codes + b * groups * kCodeLineBytes;
      for (int64_t g = 0; g < groups; ++g) {
        for (int64_t r = 0; r < kCodeBlockRows; ++r) {
          for (int64_t i = 0; i < 4; ++i) {
            out[r] += block[g * kCodeLineBytes + 4 * r + i] * query[4 * g + i];
          }
        }
      }
    }
  }
}

bool Always() { return true; }

#if defined(__x86_64__)

int32_t FourComponents(const int8_t* query) {
  int32_t four;
  std::memcpy(&four, query, sizeof(four));
  return four;
}

// Tiles of Q queries and B blocks hold their sums in registers: kTile = Q B, B at most kMostBlocks.
// An instruction set gives Tile and its largest Q; the loops over q and b must be unrolled:
// otherwise GCC keeps the sums in memory.

struct Avx512Vnni {
  static constexpr int kQueries = 8, kTile = 16, kMostBlocks = 8;

  template <int Q, int B>
  __attribute__((target("avx512f,avx512vnni"))) static void Tile(const uint8_t* codes,
                                                                 int64_t groups,
                                                                 const int8_t* queries,
                                                                 int32_t* dots, int64_t stride) {
    __m512i sums[Q][B];
#pragma GCC unroll 16
    for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 16
      for (int b = 0; b < B; ++b) sums[q][b] = _mm512_setzero_si512();
    }
    for (int64_t g = 0; g < groups; ++g) {
      __m512i lines[B];
#pragma GCC unroll 16
      for (int b = 0; b < B; ++b) {
        lines[b] = _mm512_loadu_si512(codes + (b * groups + g) * kCodeLineBytes);
      }
#pragma GCC unroll 16
      for (int q = 0; q < Q; ++q) {
        const __m512i four = _mm512_set1_epi32(FourComponents(queries + (q * groups + g) * 4));
#pragma GCC unroll 16
        for (int b = 0; b < B; ++b) {
          sums[q][b] = _mm512_dpbusd_epi32(sums[q][b], lines[b], four);
        }
      }
    }
#pragma GCC unroll 16
    for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 16
      for (int b = 0; b < B; ++b) {
        _mm512_storeu_si512(dots + q * stride + b * kCodeBlockRows, sums[q][b]);
      }
    }
  }
};

bool HasAvx512Vnni() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni");
}

struct Avx2 {
  static constexpr int kQueries = 4, kTile = 4, kMostBlocks = 4;

  template <int Q, int B>
  __attribute__((target("avx2"))) static void Tile(const uint8_t* codes, int64_t groups,
                                                   const int8_t* queries, int32_t* dots,
                                                   int64_t stride) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sums[Q][2 * B];
#pragma GCC unroll 16
    for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 16
      for (int half = 0; half < 2 * B; ++half) sums[q][half] = _mm256_setzero_si256();
    }
    for (int64_t g = 0; g < groups; ++g) {
#pragma GCC unroll 16
      for (int half = 0; half < 2 * B; ++half) {
        const __m256i line = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(
            codes + (half / 2 * groups + g) * kCodeLineBytes + half % 2 * 32));
#pragma GCC unroll 16
        for (int q = 0; q < Q; ++q) {
          const __m256i four = _mm256_set1_epi32(FourComponents(queries + (q * groups + g) * 4));
          const __m256i pairs = _mm256_maddubs_epi16(line, four);
          sums[q][half] = _mm256_add_epi32(sums[q][half], _mm256_madd_epi16(pairs, ones));
        }
      }
    }
#pragma GCC unroll 16
    for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 16
      for (int half = 0; half < 2 * B; ++half) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(dots + q * stride + half * 8),
                            sums[q][half]);
      }
    }
  }
};

bool HasAvx2() { return __builtin_cpu_supports("avx2"); }

// The queries from `q` on in tiles of Q, the rest in tiles of half as many: a line of codes that is
// loaded serves the whole tile.
template <typename InstructionSet, int Q>
void TiledDotsFrom(int64_t q, const uint8_t* codes, int64_t block_count, int64_t groups,
                   const int8_t* queries, int64_t query_count, int32_t* dots) {
  constexpr int kB = std::min(InstructionSet::kMostBlocks, InstructionSet::kTile / Q);
  const int64_t stride = block_count * kCodeBlockRows, block_bytes = groups * kCodeLineBytes;
  for (; q + Q <= query_count; q += Q) {
    const int8_t* tile = queries + q * 4 * groups;
    int32_t* out = dots + q * stride;
    int64_t b = 0;
    for (; b + kB <= block_count; b += kB) {
      InstructionSet::template Tile<Q, kB>(codes + b * block_bytes, groups, tile,
                                           out + b * kCodeBlockRows, stride);
    }
    for (; b < block_count; ++b) {
      InstructionSet::template Tile<Q, 1>(codes + b * block_bytes, groups, tile,
                                          out + b * kCodeBlockRows, stride);
    }
  }
  if constexpr (Q > 1) {
    TiledDotsFrom<InstructionSet, Q / 2>(q, codes, block_count, groups, queries, query_count, dots);
  }
}

template <typename InstructionSet>
void TiledDots(const uint8_t* codes, int64_t block_count, int64_t groups, const int8_t* queries,
               int64_t query_count, int32_t* dots) {
  TiledDotsFrom<InstructionSet, InstructionSet::kQueries>(0, codes, block_count, groups, queries,
                                                          query_count, dots);
}

// The kernel saves AMX's tiles only for processes that have asked for them.
bool HasAmxInt8() {
  static const bool has = [] {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!HasAvx512Vnni() || __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
    constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25;
    if ((edx & kTile) == 0 || (edx & kInt8) == 0) return false;
    constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return has;
}

constexpr int64_t kAmxQueries = 16, kAmxGroups = 16;

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// Up to sixteen queries by sixteen rows and 64 components an instruction, which takes as many
// cycles as there are queries. Tiles 0 and 1 hold sums, 2 queries, 3 and 4 rows of two blocks.
__attribute__((target("amx-tile,amx-int8,avx512f"))) void AmxTileDots(const uint8_t* codes,
                                                                      int64_t block_count,
                                                                      int64_t groups,
                                                                      const int8_t* queries,
                                                                      int32_t* dots) {
  const int64_t stride = block_count * kCodeBlockRows, block_bytes = groups * kCodeLineBytes;
  const int64_t query_bytes = 4 * groups;
  int64_t b = 0;
  for (; b + 2 <= block_count; b += 2) {
    const uint8_t* block = codes + b * block_bytes;
    _tile_zero(0);
    _tile_zero(1);
    for (int64_t g = 0; g < groups; g += kAmxGroups) {
      _tile_loadd(2, queries + 4 * g, query_bytes);
      _tile_loadd(3, block + g * kCodeLineBytes, kCodeLineBytes);
      _tile_dpbsud(0, 2, 3);
      _tile_loadd(4, block + block_bytes + g * kCodeLineBytes, kCodeLineBytes);
      _tile_dpbsud(1, 2, 4);
    }
    _tile_stored(0, dots + b * kCodeBlockRows, stride * 4);
    _tile_stored(1, dots + (b + 1) * kCodeBlockRows, stride * 4);
  }
  if (b < block_count) {
    _tile_zero(0);
    for (int64_t g = 0; g < groups; g += kAmxGroups) {
      _tile_loadd(2, queries + 4 * g, query_bytes);
      _tile_loadd(3, codes + b * block_bytes + g * kCodeLineBytes, kCodeLineBytes);
      _tile_dpbsud(0, 2, 3);
    }
    _tile_stored(0, dots + b * kCodeBlockRows, stride * 4);
  }
}

// Components beyond a multiple of 64, and a single query, whose time is that of reading the codes,
// are VNNI's.
__attribute__((target("amx-tile,amx-int8,avx512f,avx512vnni"))) void AmxDots(
    const uint8_t* codes, int64_t block_count, int64_t groups, const int8_t* queries,
    int64_t query_count, int32_t* dots) {
  if (query_count == 1 || groups % kAmxGroups != 0) {
    TiledDots<Avx512Vnni>(codes, block_count, groups, queries, query_count, dots);
    return;
  }
  TileConfig config;
  for (int64_t q = 0; q < query_count; q += kAmxQueries) {
    const auto count = static_cast<uint8_t>(std::min(kAmxQueries, query_count - q));
    if (config.rows[0] != count) {
      for (int tile = 0; tile < 5; ++tile) {
        config.row_bytes[tile] = 64;
        config.rows[tile] = tile < 3 ? count : 16;
      }
      _tile_loadconfig(&config);
    }
    AmxTileDots(codes, block_count, groups, queries + q * 4 * groups,
                dots + q * block_count * kCodeBlockRows);
  }
  _tile_release();
}

#endif  // x86-64

constexpr CodeKernel kKernels[] = {
#if defined(__x86_64__)
    {"amx", HasAmxInt8, 127, AmxDots},
    {"avx512-vnni", HasAvx512Vnni, 127, TiledDots<Avx512Vnni>},
    // 2 x 255 x 64 < 2^15.
    {"avx2", HasAvx2, 64, TiledDots<Avx2>},
#endif
    {"portable", Always, 127, PortableDots},
};

}  // namespace

std::span<const CodeKernel> CodeKernels() { return kKernels; }

const CodeKernel& BestCodeKernel() {
  static const CodeKernel& best =
      *std::find_if(std::begin(kKernels), std::end(kKernels),
                    [](const CodeKernel& kernel) { return kernel.supported(); });
  return best;
}

}  // namespace fluke
