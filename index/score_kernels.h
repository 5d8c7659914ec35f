// Scores of queries against rows, many pairs at a time.
//
// The score of a pair is one fixed sequence of float32 operations, whatever else is in the batch
// and whatever the machine has: lane j of 16 takes components j, j + 16, ... by fused multiply-add,
// then lanes a distance of 8, 4, 2 and 1 apart are added. A query therefore gets the same bits
// alone, in a batch, in the server and offline.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "index/similarity.h"

namespace fluke {

// queries: query_count x dimension; rows: row_count x dimension; scores: query_count x row_count.
using ScoreFunction = void (*)(const float* queries, int64_t query_count, const float* rows,
                               int64_t row_count, int64_t dimension, float* scores);

// One query against rows from anywhere: rows: row_count pointers to `dimension` values.
using ScoreEachFunction = void (*)(const float* query, const float* const* rows, int64_t row_count,
                                   int64_t dimension, float* scores);

struct ScoreKernel {
  std::string_view name;
  bool (*supported)();  // by this machine
  ScoreFunction inner_product;
  ScoreFunction negative_l2;
  ScoreEachFunction each_inner_product;
  ScoreEachFunction each_negative_l2;

  ScoreFunction of(Similarity similarity) const {
    return similarity == Similarity::kL2 ? negative_l2 : inner_product;
  }
  ScoreEachFunction each_of(Similarity similarity) const {
    return similarity == Similarity::kL2 ? each_negative_l2 : each_inner_product;
  }
};

// Fastest first; the last one runs anywhere.
std::span<const ScoreKernel> ScoreKernels();

// The first that this machine supports.
const ScoreKernel& BestScoreKernel();

}  // namespace fluke
