// Which rows of a chunk are worth a closer look, from the products of their codes with a query's.
#pragma once

#include <cstdint>

#include "index/row_codes.h"

namespace fluke {

// Positions of a chunk whose upper bound reaches a threshold.
struct CodeHits {
  int64_t count = 0;
  int32_t positions[kCodeChunkRows + kCodeBlockRows];  // in the chunk; `count` of them
  alignas(64) float middle[kCodeChunkRows];            // of these positions: the estimate
  alignas(64) float upper[kCodeChunkRows];             // and the most it can be
};

// Positions [first, end) of a chunk, first at the beginning of a block; dots: their products
// (CodeDots), whole blocks. Estimates leave out QueryCodes::constant, bounds leave out roundings.
using FindHitsFunction = void (*)(const CodeChunk& chunk, const QueryCodes& query,
                                  const int32_t* dots, int64_t first, int64_t end, float threshold,
                                  CodeHits& hits);

// For this machine.
FindHitsFunction BestFindHits(bool l2);

}  // namespace fluke
