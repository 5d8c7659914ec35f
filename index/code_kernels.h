// Inner products of 8-bit codes, sixteen rows at a time: the coarse pass of the exact search.
//
// Rows stand in blocks of sixteen. A block holds `groups` lines of 64 bytes; line g holds
// components 4g .. 4g+3 of row 0, then of row 1, ... to row 15. One VNNI instruction takes a line
// and four components of a query; a block of 16 lines is also one AMX tile.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace fluke {

inline constexpr int64_t kCodeBlockRows = 16;
inline constexpr int64_t kCodeLineBytes = 4 * kCodeBlockRows;

// codes: block_count x groups x 64, 0..255; queries: query_count x (4 groups), from -limit to
// limit. dots: query_count x (16 block_count), exact.
using CodeDotsFunction = void (*)(const uint8_t* codes, int64_t block_count, int64_t groups,
                                  const int8_t* queries, int64_t query_count, int32_t* dots);

struct CodeKernel {
  std::string_view name;
  bool (*supported)();  // by this machine
  // Largest absolute value of a query's component: AVX2 adds pairs of products in 16 bits.
  int query_limit;
  CodeDotsFunction dots;
};

// Fastest first; the last one runs anywhere.
std::span<const CodeKernel> CodeKernels();

// The first that this machine supports.
const CodeKernel& BestCodeKernel();

}  // namespace fluke
