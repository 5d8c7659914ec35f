// The directions in which rows vary most, to double precision.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/row_pass.h"

namespace fluke {

struct PrincipalDirections {
  int64_t count = 0;
  std::vector<double> mean;        // dimension
  std::vector<double> directions;  // count x dimension, orthonormal, by falling variance
};

// Learned from a sample of the rows (m x dimension); at most `most` directions.
PrincipalDirections LearnDirections(std::span<const float> rows, int64_t dimension, int64_t most,
                                    const RowsDone& done = KeepRows);

double Dot(const double* a, const double* b, int64_t n);

// Row-major: out (m x n) = a b^T over the first k of `width` columns of a (m rows) and b (n rows).
void MultiplyTransposed(const double* a, const double* b, int64_t m, int64_t n, int64_t k,
                        int64_t width, double* out);

}  // namespace fluke
