// All pairs of 64-bit codes within a Hamming radius, without comparing each with each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace fluke {

// Calls `found` once for every pair i < j whose codes differ in at most `radius` bits, in no order.
// Multi-index hashing (Norouzi, Punjani, Fleet: Fast Search in Hamming Space with Multi-Index
// Hashing, CVPR 2012): codes are cut into m pieces of about log2 n bits; two codes within `radius`
// agree in some piece up to radius / m bits, so only those are compared. Equal codes are compared
// each with each. 0 <= radius <= 32; throws InvalidArgument otherwise. Memory: 16 m bytes a code.
void ForEachNearPair(std::span<const uint64_t> codes, int radius,
                     const std::function<void(size_t i, size_t j, int distance)>& found);

}  // namespace fluke
