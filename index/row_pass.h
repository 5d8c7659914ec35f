// Passes over more rows than memory should hold.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace fluke {

// Told, by any thread, of rows [begin, end) that a pass has no more use for, so that their owner
// can give pages back (MappedNpy::ReleaseRows).
using RowsDone = std::function<void(int64_t begin, int64_t end)>;

// For rows that stay in memory.
inline void KeepRows(int64_t, int64_t) {}

// `count` different row numbers below `rows`, ascending, or all of them: the same ones every time.
std::vector<int64_t> SampleRows(int64_t rows, int64_t count);

// Copies of some of the rows (m x dimension) in a block of their own: numbers.size() x dimension.
// numbers: ascending. A row far from the others costs a mapped file more pages than its own.
std::vector<float> GatherRows(std::span<const float> rows, int64_t dimension,
                              std::span<const int64_t> numbers, const RowsDone& done);

}  // namespace fluke
