#include "index/memory_need.h"

#include "common/error.h"
#include "index/layout.h"

namespace fluke {
namespace {

// Numbers beside an item's texts: where they begin, its slot in the hash of ids, its codes.
constexpr uint64_t kBytesPerItem = 32;

uint64_t BytesOf(const SnapshotManifest& manifest, const char* file) {
  const auto found = manifest.files.find(file);
  return found == manifest.files.end() ? 0 : found->second.bytes;
}

}  // namespace

MemoryNeed PredictMemory(const SnapshotManifest& manifest) {
  return {.items_bytes = BytesOf(manifest, layout::kItemsFile) +
                         kBytesPerItem * static_cast<uint64_t>(manifest.size),
          .faiss_bytes = BytesOf(manifest, layout::kFaissFile),
          .mapped_bytes =
              BytesOf(manifest, layout::kVectorsFile) + BytesOf(manifest, layout::kCodesFile)};
}

void CheckMemory(const MemoryNeed& need, uint64_t available_bytes,
                 const std::filesystem::path& snapshot) {
  if (need.held_bytes() <= available_bytes) return;
  Throw(absl::StatusCode::kResourceExhausted, snapshot, ": opening it takes ", need.held_bytes(),
        " bytes of memory (items ", need.items_bytes, ", FAISS index ", need.faiss_bytes, "), ",
        available_bytes, " are available");
}

}  // namespace fluke
