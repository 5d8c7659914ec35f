// manifest.json of a snapshot: what it holds, and the size and CRC-32C of its every other file. The
// document carries its own CRC-32C too, so that nothing read from it is taken on trust.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "index/sealed_json.h"
#include "index/similarity.h"

namespace fluke {

// Search parameters where a caller names none.
struct SearchDefaults {
  int nprobe = 0;         // IVF lists visited; 0 where the index has none
  int ef_search = 0;      // HNSW candidates; 0 where the index has no graph
  int refine_factor = 1;  // candidates looked at in full precision, times k
};

struct SnapshotManifest {
  std::string factory = "Flat";
  Similarity similarity = Similarity::kCosine;
  int64_t dimension = 0;
  int64_t size = 0;              // items
  int64_t trained_size = 0;      // items when the FAISS index was last trained; 0 = there is none
  std::string fingerprint = {};  // of the model that made the vectors; "" = unknown
  double target_recall = 0;  // that the search parameters are tuned for; 0 = the engine's own ones
  SearchDefaults search = {};
  // Its log (change_log.h), up to and with which change.
  int64_t log_origin = 0;
  int64_t log_sequence = 0;
  FileRecords files = {};  // by name, manifest.json left out
};

inline constexpr int kIndexFormatVersion = 1;

std::string SnapshotManifestToJson(const SnapshotManifest& manifest);

// `name` stands in errors. Throws DataLoss for anything but what SnapshotManifestToJson wrote,
// FailedPrecondition for a newer format version.
SnapshotManifest ParseSnapshotManifest(std::string_view json, const std::string& name);

}  // namespace fluke
