// How much memory an opened snapshot takes, told by its manifest before anything is read.
#pragma once

#include <cstdint>
#include <filesystem>

#include "index/snapshot_manifest.h"

namespace fluke {

struct MemoryNeed {
  uint64_t items_bytes = 0;   // the item table, an estimate from above
  uint64_t faiss_bytes = 0;   // FAISS keeps its index as it is in the file
  uint64_t mapped_bytes = 0;  // vectors and row codes: in the page cache as far as there is room

  // That must fit: the system cannot take it back.
  uint64_t held_bytes() const { return items_bytes + faiss_bytes; }
};

MemoryNeed PredictMemory(const SnapshotManifest& manifest);

// Throws ResourceExhausted, naming need and available memory, where held_bytes do not fit.
void CheckMemory(const MemoryNeed& need, uint64_t available_bytes,
                 const std::filesystem::path& snapshot);

}  // namespace fluke
