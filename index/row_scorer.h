// Scores rows from anywhere of a matrix, some at once; meanwhile the vectors of the next are
// fetched.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "index/score_kernels.h"

namespace fluke {

class RowScorer {
 public:
  static constexpr int64_t kAtOnce = 8;

  // rows: of `dimension` values each; they outlive this.
  RowScorer(Similarity similarity, std::span<const float> rows, int64_t dimension)
      : score_(BestScoreKernel().each_of(similarity)), rows_(rows.data()), dimension_(dimension) {}

  // Calls use(i, score) for i from 0 to count - 1, in order; row_of(i) is the row to score.
  template <typename RowOf, typename Use>
  void Score(const float* query, int64_t count, const RowOf& row_of, const Use& use) const {
    const float* vectors[kAtOnce];
    float scores[kAtOnce];
    for (int64_t i = 0; i < std::min(kAtOnce, count); ++i) Fetch(row_of(i));
    for (int64_t begin = 0; begin < count; begin += kAtOnce) {
      const int64_t end = std::min(begin + kAtOnce, count);
      for (int64_t i = begin; i < end; ++i) vectors[i - begin] = Vector(row_of(i));
      for (int64_t i = end; i < std::min(end + kAtOnce, count); ++i) Fetch(row_of(i));
      score_(query, vectors, end - begin, dimension_, scores);
      for (int64_t i = begin; i < end; ++i) use(i, scores[i - begin]);
    }
  }

  // A row that will be scored soon.
  void Fetch(int64_t row) const {
    const auto* line = reinterpret_cast<const char*>(Vector(row));
    for (int64_t byte = 0; byte < 4 * dimension_; byte += 64) __builtin_prefetch(line + byte);
  }

 private:
  const float* Vector(int64_t row) const { return rows_ + row * dimension_; }

  ScoreEachFunction score_;
  const float* rows_;
  int64_t dimension_;
};

}  // namespace fluke
