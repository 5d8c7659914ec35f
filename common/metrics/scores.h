// Inner products of a block of queries with a whole gallery: the matrix product under
// EvaluateSearch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fluke {

// Queries are packed in groups of this many, one coordinate of all of them after the other.
inline constexpr int64_t kScoreGroup = 16;

// rows: the rows to pack out of `vectors` (n x d). Result: ceil(rows / 16) groups, each d x 16,
// padded with zeros.
std::vector<float> PackQueries(std::span<const float> vectors, int64_t d,
                               std::span<const int64_t> rows);

// scores[q * n + i] = query q . gallery row i, for every packed query, padding included. gallery: n
// x d. Each product is summed in the order of the coordinates, so that equal vectors have equal
// scores whatever block they are in.
void ScoreBlock(std::span<const float> packed, std::span<const float> gallery, int64_t n, int64_t d,
                float* scores);

}  // namespace fluke
