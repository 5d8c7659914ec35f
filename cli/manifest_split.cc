#include "cli/manifest_split.h"

#include <vector>

#include "common/error.h"

namespace fluke::cli {

Manifest SplitOf(Manifest manifest, const std::string& split) {
  if (split.empty()) return manifest;
  std::vector<bool> keep;
  for (const ManifestItem& item : manifest.items) keep.push_back(item.split == split);
  Manifest part = Select(manifest, keep);
  if (part.items.empty()) {
    InvalidArgument(manifest.name, ": no photograph of split '", split, "'");
  }
  return part;
}

}  // namespace fluke::cli
