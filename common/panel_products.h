// The innermost loop of a matrix product in float32: some rows with sixteen columns, whose sums
// stay in registers. By the instructions that the machine has.
#pragma once

#include <cstdint>
#include <span>

namespace fluke {

inline constexpr int64_t kPanel = 16;

// sums[r * stride + c] = sum over i of rows[r * depth + i] * panel[i * kPanel + c], added up in the
// order of i: the same bits however many rows are taken together.
using PanelProduct = void (*)(const float* rows, const float* panel, int64_t depth, float* sums,
                              int64_t stride);

// The product of one row, of two, and so on to as many as are quickest together (at most 12).
std::span<const PanelProduct> PanelProducts();

// Whether they are vectorised, with AVX2 or AVX-512.
bool PanelProductsAreQuick();

}  // namespace fluke
