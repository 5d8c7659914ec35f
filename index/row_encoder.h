// Makes row codes (row_codes.h) out of vectors: a record a row, then chunks of records as they
// stand in the file. Rows can so be encoded in the order in which they lie on disk and be stored in
// another.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "index/principal_directions.h"

namespace fluke {

// Rows x less the mean m, and what they are on the first `head` directions.
struct ProjectedRows {
  int64_t count = 0;
  std::vector<double> norms;    // count, of x
  std::vector<double> centred;  // count x dimension: x - m
  std::vector<double> y;        // count x head: P (x - m)
};

// Immutable; thread-safe. Keeps a reference to what was learned.
class RowEncoder {
 public:
  RowEncoder(const PrincipalDirections& learned, int64_t head, int64_t dimension, bool l2)
      : learned_(learned), head_(head), dimension_(dimension), l2_(l2) {}

  ProjectedRows Project(std::span<const float> rows) const;  // any number x dimension

  int64_t record_bytes() const;
  std::vector<char> Records(const ProjectedRows& rows) const;  // count x record_bytes

  // The chunk of `count` positions, at most kCodeChunkRows; record_at(position): its record, or
  // null where no row stands.
  std::vector<char> Chunk(int64_t count,
                          const std::function<const char*(int64_t)>& record_at) const;

 private:
  const PrincipalDirections& learned_;
  int64_t head_, dimension_;
  bool l2_;
};

}  // namespace fluke
