// An 8-bit companion of an index's vectors, from which a search rules out nearly all rows without
// reading them: exactly (bounded_scan.h) or, where the rows are grouped in lists, approximately
// (list_scan.h).
//
// With the mean m of the rows and `head` directions P of their largest variance (orthonormal rows),
// a row x is kept as y = P (x - m) ~ s c: a scale s and whole numbers c from -127 to 127. For any
// query q and a = P (q - m) (for inner products a = P q), the part of the score that is not s (a .
// c) is bounded by norms that are kept beside the codes:
//   |a . (y - s c)| <= |a| code_error,   |q_t . x_t| <= |q_t| tail   (Cauchy-Schwarz),
// where q_t and x_t are what P leaves over. Norms are computed in double precision and rounded
// upwards, so that the bounds hold for the rows as they are, whatever they are.
//
// Codes stand in positions: a position holds the row of the same number or, with lists, those of a
// list stand together, filled up to whole blocks (code_kernels.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/files.h"
#include "index/code_kernels.h"
#include "index/row_codes_format.h"
#include "index/similarity.h"

namespace fluke {

// kCodeChunkRows positions, or what is left of them: beyond the last one, scales are 0.
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
  struct Blocks {
    int64_t begin, end;
  };

  // `file` as WriteRowCodes left it; `name` stands in errors. Throws DataLoss unless it is for rows
  // of this number, dimension and similarity.
  RowCodes(MappedFile file, Similarity similarity, int64_t rows, int64_t dimension,
           const std::string& name);

  int64_t head() const { return header_.head; }
  int64_t rows() const { return header_.rows; }
  int64_t positions() const { return header_.positions; }
  int64_t groups() const { return head() / 4; }
  int64_t chunks() const { return (positions() + kCodeChunkRows - 1) / kCodeChunkRows; }
  CodeChunk chunk(int64_t i) const;

  // The row in a position; -1 where there is none.
  int64_t row_at(int64_t position) const {
    if (order_ == nullptr) return position;
    return order_[position] == kNoRow ? -1 : static_cast<int64_t>(order_[position]);
  }

  int64_t lists() const { return header_.lists; }
  std::span<const float> centroids() const { return centroids_; }  // lists x head
  Blocks list(int64_t i) const {
    return {i == 0 ? 0 : static_cast<int64_t>(list_ends_[i - 1]),
            static_cast<int64_t>(list_ends_[i])};
  }

  // queries: n x dimension, sound and normalised (similarity.h). limit: CodeKernel::query_limit.
  std::vector<QueryCodes> Encode(std::span<const float> queries, int limit) const;

  // A query for lists, the same bits alone and in a batch; head values each. a: as in QueryCodes.
  // place: where its neighbours' list is near, by Euclidean distance to the centroids; for inner
  // products the query is brought to the rows' mean length first.
  void Project(std::span<const float> query, std::span<float> a, std::span<float> place) const;
  // Codes of a projected query without norms: estimates, no bounds.
  QueryCodes EncodeProjected(std::span<const float> head, int limit) const;

 private:
  void CheckLists(const std::string& name) const;
  // a: head values.
  void EncodeHead(const double* a, int limit, QueryCodes& out) const;

  MappedFile file_;
  RowCodesHeader header_{};
  const double* mean_ = nullptr;        // dimension
  const double* directions_ = nullptr;  // head x dimension
  std::span<const float> centroids_;
  const uint32_t* list_ends_ = nullptr;  // lists, in blocks
  const uint32_t* order_ = nullptr;      // positions; null without lists
  const std::byte* chunks_ = nullptr;
  int64_t chunk_bytes_ = 0;
  // With lists: the same in float32, and the mean's own projection.
  std::vector<float> float_mean_, float_directions_, mean_head_;
};

}  // namespace fluke
