// Joining index folders.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace fluke {

// Makes `out` an index of all items of `shards`, in their order, of the first one's kind; returns
// how many there are. Shards stay as they are. Throws InvalidArgument where dimension or metric
// differ or an id stands in two of them, FailedPrecondition where they are of different models,
// AlreadyExists where there is an index in `out` and it is not to be replaced.
int64_t MergeIndexes(const std::vector<std::filesystem::path>& shards,
                     const std::filesystem::path& out, bool replace);

}  // namespace fluke
