// A manifest's columns by name, whether manifest.h knows them or they are metadata.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/manifest.h"

namespace fluke {

// path, identity, split, camera, timestamp, mask or a column of metadata; "" where the item has
// none.
std::string ColumnText(const ManifestItem& item, std::string_view column);

// One text an item. Throws InvalidArgument naming the columns there are where no item has a value.
std::vector<std::string> ColumnTexts(const std::vector<ManifestItem>& items,
                                     std::string_view column);

// What tells an item from all others of its manifest: its path, with its box where it has one.
std::string ItemKey(const ManifestItem& item);

}  // namespace fluke
