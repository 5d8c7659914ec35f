// What can be added to an index.
#pragma once

#include <span>
#include <vector>

#include "common/item.h"
#include "index/snapshot_manifest.h"

namespace fluke {

// Throws InvalidArgument, naming the item, unless all of them can. vectors: items.size() x
// dimension.
void CheckItemsToAdd(const SnapshotManifest& manifest, const std::vector<Item>& items,
                     std::span<const float> vectors);

}  // namespace fluke
