// Making and changing index folders. A writer holds the folder's lock until it is destroyed; what
// was not committed then is gone, what was committed is durable.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "common/vector_index.h"

namespace fluke {

// What was added since the last commit waits in memory up to so many bytes, the rest in a temporary
// file in the index folder.
inline constexpr uint64_t kPendingBytes = 64 << 20;

struct IndexOptions {
  std::string factory = "Flat";   // factory.h; "Flat" = the exact scan
  std::string metric = "cosine";  // cosine, ip or l2
  int64_t dimension = 0;
  std::string fingerprint = {};  // of the model that makes the vectors; "" = unknown
  // Approximate indexes: the share of the true 20 neighbours that searches shall find; their
  // parameters are tuned for it at each commit. 0: .95 for lists of codes, FAISS's kinds as they
  // are.
  double target_recall = 0;
  uint64_t pending_bytes = kPendingBytes;
};

// Each of these throws FailedPrecondition while another writer holds the folder, and
// InvalidArgument for options that make no index.
//
// A new, empty index; nothing but the lock is on disk before the first commit. Throws AlreadyExists
// when the folder holds one.
std::unique_ptr<IndexWriter> CreateIndex(const std::filesystem::path& folder,
                                         const IndexOptions& options);
// As CreateIndex, but an index that is there stays as it is until the first commit takes its place.
std::unique_ptr<IndexWriter> ReplaceIndex(const std::filesystem::path& folder,
                                          const IndexOptions& options);
// Continues from the last good snapshot. Throws NotFound, DataLoss.
std::unique_ptr<IndexWriter> ContinueIndex(const std::filesystem::path& folder,
                                           uint64_t pending_bytes = kPendingBytes);

}  // namespace fluke
