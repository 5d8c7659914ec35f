#include "index/item_checks.h"

#include <string>

#include "absl/container/flat_hash_set.h"
#include "common/error.h"
#include "index/similarity.h"

namespace fluke {

void CheckItemsToAdd(const SnapshotManifest& manifest, const std::vector<Item>& items,
                     std::span<const float> vectors) {
  const size_t width = static_cast<size_t>(manifest.dimension);
  if (vectors.size() != items.size() * width) {
    InvalidArgument(vectors.size(), " values for ", items.size(),
                    " items, expected the index's dimension, ", manifest.dimension, ", each");
  }
  absl::flat_hash_set<absl::string_view> ids;
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string& id = items[i].id;
    if (id.empty()) InvalidArgument("item ", i, " has no id");
    if (!ids.insert(id).second) InvalidArgument("two items to add have the id '", id, "'");
    CheckMetadataNames(items[i]);
    const std::string defect = VectorDefect(manifest.similarity, vectors.subspan(i * width, width));
    if (!defect.empty()) InvalidArgument("the vector of item '", id, "': ", defect);
  }
}

}  // namespace fluke
