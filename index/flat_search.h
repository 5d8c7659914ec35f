// The exact search of vectors that lie in memory or in a mapped file, without an index folder: what
// `Flat` finds in a snapshot of them, bit for bit.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "common/vector_index.h"
#include "index/row_codes.h"

namespace fluke {

// Immutable; thread-safe. The vectors must outlive it.
class FlatSearch {
 public:
  // rows: m x dimension, finite, of unit length. Codes (row_codes.h) are made where they pay, in a
  // file without a name in `scratch`, mapped.
  FlatSearch(std::span<const float> rows, int64_t dimension, const std::filesystem::path& scratch);

  // queries: n x dimension, of unit length. Result i: the min(k, m) rows of the largest inner
  // product, equal ones by row.
  std::vector<std::vector<Neighbor>> Search(std::span<const float> queries, int64_t k) const;

  bool has_codes() const { return codes_.has_value(); }

 private:
  std::span<const float> rows_;
  int64_t dimension_;
  std::optional<RowCodes> codes_;
};

}  // namespace fluke
