// An 8-bit companion of an exact index's vectors, from which the exact search rules out nearly all
// rows without reading them (bounded_scan.h).
//
// With the mean m of the rows and `head` directions P of their largest variance (orthonormal rows),
// a row x is kept as y = P (x - m) ~ s c: a scale s and whole numbers c from -127 to 127. For any
// query q and a = P (q - m) (for inner products a = P q), the part of the score that is not s (a .
// c) is bounded by norms that are kept beside the codes:
//   |a . (y - s c)| <= |a| code_error,   |q_t . x_t| <= |q_t| tail   (Cauchy-Schwarz),
// where q_t and x_t are what P leaves over. Everything here is computed in double precision and
// rounded upwards, so that the bounds hold for the rows as they are, whatever they are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/files.h"
#include "index/code_kernels.h"
#include "index/similarity.h"

namespace fluke {

inline constexpr int64_t kCodeChunkRows = 1024;

// 1,024 rows, or what is left of them: rows beyond the last have scale 0.
struct CodeChunk {
  float norm = 0;       // at least the length of every x and x - m
  float code_norm = 0;  // at least the length of every s c
  const float* scales;  // s; kCodeChunkRows each
  const float* code_errors;
  const float* tails;
  const float* offsets;  // L2: -|x - m|^2, otherwise null
  const uint8_t* codes;  // c + 128 in blocks (code_kernels.h)
};

// What a query becomes. `scale * (codes . (c))` is the estimate of the head's share of the score.
struct QueryCodes {
  std::vector<int8_t> codes;  // head
  float scale = 0;            // includes L2's factor 2
  int32_t code_sum = 0;       // of codes, for the 128 that rows' codes carry
  float head_norm = 0;        // |a|, with L2's factor
  float tail_norm = 0;        // |q_t|, with L2's factor
  float code_error = 0;       // |a - its codes|, with L2's factor
  double constant = 0;        // what all rows' scores have in common
  double norm = 0;            // L2: |q - m|, otherwise |q|
};

// Immutable; thread-safe.
class RowCodes {
 public:
  // `file` as WriteRowCodes left it; `name` stands in errors. Throws DataLoss unless it is for rows
  // of this number, dimension and similarity.
  RowCodes(MappedFile file, Similarity similarity, int64_t rows, int64_t dimension,
           const std::string& name);

  int64_t head() const { return head_; }
  int64_t rows() const { return rows_; }
  int64_t chunks() const { return (rows_ + kCodeChunkRows - 1) / kCodeChunkRows; }
  int64_t groups() const { return head_ / 4; }
  CodeChunk chunk(int64_t i) const;

  // queries: n x dimension, sound and normalised (similarity.h). limit: CodeKernel::query_limit.
  std::vector<QueryCodes> Encode(std::span<const float> queries, int limit) const;

 private:
  // a: head values; squares: |q|^2 of the whole query.
  void EncodeHead(const double* a, double squares, int limit, QueryCodes& out) const;

  MappedFile file_;
  bool l2_;
  int64_t rows_;
  int64_t dimension_;
  int64_t head_ = 0;
  const double* mean_ = nullptr;        // dimension
  const double* projection_ = nullptr;  // head x dimension
  const std::byte* chunks_ = nullptr;
  int64_t chunk_bytes_ = 0;
};

// Learns from a sample of the rows how many directions pay, and writes the codes of all of them.
// Writes nothing and returns false where a plain scan is as quick (few rows, few dimensions, a
// spectrum too flat) or values' squares leave float32's range. head: 0, or write this many
// directions (a multiple of 4, at most dimension) whether they pay or not.
bool WriteRowCodes(const std::filesystem::path& path, Similarity similarity,
                   std::span<const float> rows, int64_t dimension, int64_t head = 0);

}  // namespace fluke
