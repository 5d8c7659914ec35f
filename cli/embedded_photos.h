// Embeddings joined with the manifest they were made of, and each one's nearest others by the exact
// search of index/: what `fluke data` needs to look at photographs as a model sees them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/embeddings.h"
#include "common/manifest.h"
#include "common/vector_index.h"

namespace fluke::cli {

struct EmbeddedPhotos {
  Embeddings embeddings;      // unit rows
  std::vector<size_t> items;  // the manifest's item of each row
};

// Rows whose item is not in the manifest are left out with a warning. Throws InvalidArgument where
// none is, or a row is all zero.
EmbeddedPhotos ReadEmbeddedPhotos(const std::string& folder, const Manifest& manifest);

// The min(k, rows - 1) nearest rows of every row by cosine, itself left out, best first.
std::vector<std::vector<Neighbor>> NearestOthers(const Embeddings& embeddings, int64_t k);

// The min(k, rows) nearest rows of `gallery` of every row of `queries`.
std::vector<std::vector<Neighbor>> NearestOf(const Embeddings& queries, const Embeddings& gallery,
                                             int64_t k);

}  // namespace fluke::cli
