// Rows in groups by k-means in the space of the principal directions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/row_encoder.h"
#include "index/row_pass.h"

namespace fluke {

// count x head: learned from a sample of the rows, so many for each list.
std::vector<float> LearnCentroids(const RowEncoder& encoder, int64_t head, int64_t count,
                                  std::span<const float> rows, int64_t dimension,
                                  const RowsDone& done);

// The list of the nearest centroid, for each of the rows. y: n x head.
std::vector<uint32_t> NearestLists(std::span<const double> y, std::span<const float> centroids,
                                   int64_t head);

// Where rows stand, list after list; each list fills whole blocks.
struct ListOrder {
  std::vector<uint32_t> list_ends;  // one a list, in blocks
  std::vector<uint32_t> rows;       // one a position; kNoRow: none
};
ListOrder OrderByList(std::span<const uint32_t> list_of_row, int64_t lists);

}  // namespace fluke
