// Finds the search parameter that an approximate index needs for a wanted recall.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "index/row_pass.h"
#include "index/similarity.h"

namespace fluke {

// Some of the rows as queries, each left out of its own neighbours, and their true 20 neighbours.
class RecallTrial {
 public:
  static constexpr int64_t kTop = 20;

  // rows: m x dimension, m > 1.
  RecallTrial(Similarity similarity, std::span<const float> rows, int64_t dimension,
              const RowsDone& done = KeepRows);

  // Rows found for each query, of which `exclude_rows` tells its own.
  using Search = std::function<std::vector<std::vector<int64_t>>(
      std::span<const float> queries, std::span<const int64_t> exclude_rows, int setting)>;

  // Share of the true neighbours that are among those found. Searches for some queries at a time.
  double Recall(const Search& search, int setting) const;

  // The smallest of 1, 2, 3, 4, 6, 8, 12, 16 ... `most` with this recall; `most`, and a
  // warning, where none has it.
  int SmallestSetting(const Search& search, int most, double target) const;

 private:
  RowsDone done_;
  int64_t rows_;
  std::vector<float> queries_;       // some x dimension
  std::vector<int64_t> query_rows_;  // which rows they are
  std::vector<std::vector<int64_t>> truth_;
};

}  // namespace fluke
