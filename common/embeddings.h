// An embeddings folder: embeddings.npy (float32, N x D, unit rows), items.csv (one row a vector)
// and embeddings.json
// ({"fingerprint": ..., "dimension": D, "models": [...], "data": ...}): which model made them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "common/files.h"
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

// The same folder left on disk: its rows come in blocks, and memory holds one of them however many
// there are.
class MappedEmbeddings {
 public:
  // Reads items.csv. Throws as ReadEmbeddings, but for values that are not finite.
  explicit MappedEmbeddings(const std::filesystem::path& folder);

  int64_t rows() const { return vectors_.rows(); }
  int64_t dimension() const { return vectors_.cols(); }
  const std::string& fingerprint() const { return fingerprint_; }

  // vectors: items.size() x dimension.
  using Visitor =
      std::function<void(const std::vector<Item>& items, std::span<const float> vectors)>;
  // All rows, in their order. Throws InvalidArgument, naming row and item, at a block with a value
  // that is not finite.
  void ForEachBlock(const Visitor& visit) const;

 private:
  std::filesystem::path folder_;
  NpyReader vectors_;
  MappedFile items_;
  std::string fingerprint_;
};

// The vectors must be there already (NpyWriter), items.size() x dimension; writes items.csv and
// then embeddings.json.
void WriteEmbeddingsInfo(const std::filesystem::path& folder, const std::vector<Item>& items,
                         int64_t dimension, const std::string& fingerprint,
                         const std::vector<std::string>& models, const std::string& data);

}  // namespace fluke
