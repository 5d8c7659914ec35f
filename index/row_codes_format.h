// The plan of a file of row codes (row_codes.h), shared by what writes and what reads it.
//
//   header                64 bytes
//   mean                  dimension doubles
//   directions            head x dimension doubles, orthonormal rows
//   with lists only:
//     centroids           lists x head floats, in the space of the directions
//     list ends           lists uint32: the blocks up to the end of each list
//     order               positions uint32: the row in each position, kNoRow in those that fill a
//     block
//   chunks                ChunkBytes each, of kCodeChunkRows positions
//
// Every part begins on a cache line.
#pragma once

#include <cstdint>

#include "index/code_kernels.h"

namespace fluke {

inline constexpr int64_t kCodeChunkRows = 1024;
inline constexpr uint32_t kNoRow = UINT32_MAX;

struct RowCodesHeader {
  static constexpr char kMagic[8] = {'F', 'L', 'K', 'C', 'O', 'D', 'E', '1'};
  char magic[8];
  int64_t rows;
  int64_t positions;  // rows, or with lists more: each list fills its last block
  int64_t dimension;
  int64_t head;
  int64_t l2;         // 0 or 1
  int64_t lists;      // 0: the rows stand in their own order
  double row_length;  // with lists: the mean length of the rows
};
static_assert(sizeof(RowCodesHeader) == 64);

inline int64_t RoundedUpToLine(int64_t bytes) { return (bytes + 63) / 64 * 64; }

// A chunk: a line with its two norms, then per position scale, code error, tail and (L2) offset as
// floats, then the codes.
inline int64_t ChunkParameters(bool l2) { return l2 ? 4 : 3; }
inline int64_t ChunkBytes(int64_t head, bool l2) {
  return 64 + ChunkParameters(l2) * kCodeChunkRows * 4 + kCodeChunkRows * head;
}

// Where each part begins.
struct RowCodesPlan {
  int64_t mean, directions, centroids, list_ends, order, chunks, chunk_bytes, end;

  explicit RowCodesPlan(const RowCodesHeader& header) {
    mean = sizeof(RowCodesHeader);
    directions = RoundedUpToLine(mean + header.dimension * 8);
    centroids = RoundedUpToLine(directions + header.head * header.dimension * 8);
    list_ends = RoundedUpToLine(centroids + header.lists * header.head * 4);
    order = RoundedUpToLine(list_ends + header.lists * 4);
    chunks = RoundedUpToLine(order + (header.lists > 0 ? header.positions * 4 : 0));
    chunk_bytes = ChunkBytes(header.head, header.l2 != 0);
    end = chunks + (header.positions + kCodeChunkRows - 1) / kCodeChunkRows * chunk_bytes;
  }
};

}  // namespace fluke
