// What a query is answered with: one version of an index and the model that made its vectors. A
// query holds its version until it is answered, so that a newer one can take its place meanwhile.
#pragma once

#include <memory>

#include "common/embedder.h"
#include "common/vector_index.h"

namespace fluke::serve {

// Immutable.
struct ServedVersion {
  std::shared_ptr<const VectorIndex> index;
  std::shared_ptr<const Embedder> embedder;  // null: no image queries
  IndexInfo info;                            // of `index`
};

// Throws FAILED_PRECONDITION when the model's dimension or fingerprint is not that of the index. An
// index of unknown origin (empty fingerprint) is taken with any model of its dimension.
std::shared_ptr<const ServedVersion> MakeServedVersion(std::shared_ptr<const VectorIndex> index,
                                                       std::shared_ptr<const Embedder> embedder);

}  // namespace fluke::serve
