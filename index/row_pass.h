// Passes over more rows than memory should hold.
#pragma once

#include <cstdint>
#include <functional>

namespace fluke {

// Told, by any thread, of rows [begin, end) that a pass has no more use for, so that their owner
// can give pages back (MappedNpy::ReleaseRows).
using RowsDone = std::function<void(int64_t begin, int64_t end)>;

// For rows that stay in memory.
inline void KeepRows(int64_t, int64_t) {}

}  // namespace fluke
