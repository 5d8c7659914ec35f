// Turns a manifest into vectors: photographs are decoded on several threads while the model works
// on the batch before.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "common/embedder.h"
#include "common/manifest.h"

namespace fluke {

struct EmbedManifestOptions {
  int batch_size = 64;
  int workers = 0;  // decoding threads; 0: one a core
  bool skip_bad =
      false;  // unreadable photographs are left out and reported instead of ending the run
};

// Rows of one batch, in the manifest's order: items.size() x dimension.
using EmbeddedBatch =
    std::function<void(std::span<const ManifestItem* const> items, std::span<const float> vectors)>;

// Returns the photographs left out (empty unless skip_bad). Throws the first bad photograph's error
// otherwise.
std::vector<BadRow> EmbedManifest(const Embedder& embedder, const Manifest& manifest,
                                  const EmbedManifestOptions& options, const EmbeddedBatch& use);

}  // namespace fluke
