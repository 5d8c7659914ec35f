// What memory the process may still take.
#pragma once

#include <cstdint>
#include <filesystem>

namespace fluke {

// MemAvailable of /proc/meminfo, or what the limits of the process's control groups (version 1 or
// 2) leave where that is less; file pages in the cache count as free. `root`: where proc/ and
// sys/fs/cgroup/ are. The largest number where nothing can be read.
uint64_t AvailableMemory(const std::filesystem::path& root = "/");

}  // namespace fluke
