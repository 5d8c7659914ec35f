#include "serve/collections/served_version.h"

#include <utility>

#include "common/error.h"

namespace fluke::serve {

std::shared_ptr<const ServedVersion> MakeServedVersion(std::shared_ptr<const VectorIndex> index,
                                                       std::shared_ptr<const Embedder> embedder) {
  auto version = std::make_shared<ServedVersion>();
  version->info = index->Describe();
  if (embedder != nullptr) {
    const IndexInfo& info = version->info;
    if (embedder->dimension() != info.dimension) {
      Throw(absl::StatusCode::kFailedPrecondition, "the model makes vectors of ",
            embedder->dimension(), " dimensions, the index holds vectors of ", info.dimension,
            ": it is the index of another model");
    }
    if (!info.fingerprint.empty() && embedder->fingerprint() != info.fingerprint) {
      Throw(absl::StatusCode::kFailedPrecondition, "the model has fingerprint ",
            embedder->fingerprint(), ", the index was made by a model with fingerprint ",
            info.fingerprint, ": embed and index the gallery with this model, or serve that one");
    }
  }
  version->index = std::move(index);
  version->embedder = std::move(embedder);
  return version;
}

}  // namespace fluke::serve
