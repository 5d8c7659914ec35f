// An embeddings folder: embeddings.npy (float32, N x D, unit rows), items.csv (one row a vector)
// and embeddings.json
// ({"fingerprint": ..., "dimension": D, "models": [...], "data": ...}): which model made them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/item.h"
#include "common/npy.h"

namespace fluke {

struct Embeddings {
  Matrix vectors;
  std::vector<Item> items;
  std::string
      fingerprint;  // of the model or models, see Embedder; "" when the folder came from elsewhere
};

// embeddings.json may be missing. Throws NotFound when one of the others is, DataLoss when rows and
// items differ in number, InvalidArgument when a value is not finite (naming row and item).
Embeddings ReadEmbeddings(const std::filesystem::path& folder);

// The vectors must be there already (NpyWriter), items.size() x dimension; writes items.csv and
// then embeddings.json.
void WriteEmbeddingsInfo(const std::filesystem::path& folder, const std::vector<Item>& items,
                         int64_t dimension, const std::string& fingerprint,
                         const std::vector<std::string>& models, const std::string& data);

}  // namespace fluke
