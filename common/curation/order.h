// Orders that look random and are the same everywhere, whatever the order of the rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/manifest.h"

namespace fluke {

// The distinct names in OrderBySeed, or in OrderBySha1 without a seed.
std::vector<std::string> OrderNames(std::vector<std::string> names, std::optional<uint64_t> seed);

// Numbers of the items, in OrderNames of their keys.
std::vector<size_t> ItemsInOrder(const std::vector<ManifestItem>& items,
                                 std::optional<uint64_t> seed);

}  // namespace fluke
