#include "index/snapshot.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/files.h"
#include "common/memory.h"
#include "index/gpu_index.h"
#include "index/layout.h"
#include "index/memory_need.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxManifestBytes = 1 << 20;
constexpr int kAttempts = 3;  // at opening while writers commit

// A file that this version does not know may change what the others mean (deletions).
void CheckFileNames(const SnapshotManifest& manifest, const fs::path& path) {
  for (const auto& [name, record] : manifest.files) {
    if (name != layout::kVectorsFile && name != layout::kItemsFile && name != layout::kFaissFile &&
        name != layout::kCodesFile) {
      Throw(absl::StatusCode::kFailedPrecondition, path, ": unknown file '", name,
            "': written by a newer fluke?");
    }
  }
  for (const char* name : {layout::kVectorsFile, layout::kItemsFile}) {
    if (!manifest.files.contains(name)) DataLoss(path, ": it lists no ", name);
  }
  if (manifest.files.contains(layout::kFaissFile) != (manifest.trained_size > 0)) {
    DataLoss(path, ": trained_size is ", manifest.trained_size, " and ", layout::kFaissFile,
             manifest.trained_size > 0 ? " is missing" : " is listed");
  }
}

void CheckFile(const fs::path& folder, const SnapshotManifest& manifest, const char* name) {
  const fs::path path = folder / name;
  CheckBytes(MappedFile(path), manifest.files.at(name), path);
}

MappedNpy OpenVectors(const fs::path& folder, const SnapshotManifest& manifest) {
  CheckFile(folder, manifest, layout::kVectorsFile);
  MappedNpy vectors(folder / layout::kVectorsFile);
  if (vectors.rows() != manifest.size || vectors.cols() != manifest.dimension) {
    DataLoss(folder / layout::kVectorsFile, ": ", vectors.rows(), " x ", vectors.cols(),
             ", expected ", manifest.size, " x ", manifest.dimension);
  }
  return vectors;
}

ItemTable OpenItems(const fs::path& folder, const SnapshotManifest& manifest) {
  const fs::path path = folder / layout::kItemsFile;
  const MappedFile file(path);
  CheckBytes(file, manifest.files.at(layout::kItemsFile), path);
  ItemTable items = ReadItemTable(file.text(), path.string());
  if (items.rows() != manifest.size) {
    DataLoss(path, ": ", items.rows(), " items, expected ", manifest.size);
  }
  return items;
}

std::unique_ptr<ApproximateIndex> OpenCandidates(const fs::path& folder,
                                                 const SnapshotManifest& manifest) {
  if (manifest.trained_size == 0) return nullptr;
  const fs::path path = folder / layout::kFaissFile;
  const MappedFile file(path);
  CheckBytes(file, manifest.files.at(layout::kFaissFile), path);
  return std::make_unique<ApproximateIndex>(file.text(), manifest.dimension, manifest.size,
                                            manifest.search, path.string());
}

std::unique_ptr<const RowCodes> OpenCodes(const fs::path& folder,
                                          const SnapshotManifest& manifest) {
  if (!manifest.files.contains(layout::kCodesFile)) return nullptr;
  CheckFile(folder, manifest, layout::kCodesFile);
  const fs::path path = folder / layout::kCodesFile;
  return std::make_unique<RowCodes>(MappedFile(path), manifest.similarity, manifest.size,
                                    manifest.dimension, path.string());
}

std::unique_ptr<const Proposer> OpenOnGpu(const SnapshotManifest& manifest,
                                          const MappedNpy& vectors,
                                          const ApproximateIndex* candidates, const RowCodes* codes,
                                          const OpenOptions& options) {
  if (options.device != "gpu" || manifest.size == 0) return nullptr;
  if (codes != nullptr && codes->lists() > 0) {
    spdlog::warn("device gpu: {} is not a kind of index for a GPU: searching on the CPU",
                 manifest.factory);
    return nullptr;
  }
  return CopyToGpu(manifest.similarity, vectors.values(), manifest.dimension, candidates, options);
}

// The first of `numbers` that is good.
std::unique_ptr<const Snapshot> OpenFirstGood(const fs::path& index,
                                              const std::vector<int64_t>& numbers,
                                              const OpenOptions& options, std::string problem) {
  for (const int64_t number : numbers) {
    try {
      auto snapshot = OpenSnapshot(index, number, options);
      if (!problem.empty()) {
        spdlog::warn("{}: opened the last good snapshot, {}", index.string(),
                     layout::SnapshotName(number));
      }
      return snapshot;
    } catch (const Error& error) {
      if (error.code() == absl::StatusCode::kResourceExhausted) throw;
      if (problem.empty()) problem = error.what();
      spdlog::warn("cannot use snapshot {}: {}", layout::SnapshotName(number), error.what());
    }
  }
  DataLoss(index, ": no good snapshot: ", problem);
}

std::optional<int64_t> CurrentOrNone(const fs::path& index, std::string& problem) {
  try {
    return layout::ReadCurrent(index);
  } catch (const Error& error) {
    problem = error.what();
    return {};
  }
}

}  // namespace

uint64_t Snapshot::bytes() const {
  uint64_t sum = 0;
  for (const auto& [name, record] : manifest.files) sum += record.bytes;
  return sum;
}

SnapshotManifest ReadSnapshotManifest(const fs::path& index, int64_t number) {
  const fs::path path = layout::SnapshotFolder(index, number) / layout::kManifestFile;
  return ParseSnapshotManifest(ReadFile(path, kMaxManifestBytes), path.string());
}

std::unique_ptr<const Snapshot> OpenSnapshot(const fs::path& index, int64_t number,
                                             const OpenOptions& options) {
  const fs::path folder = layout::SnapshotFolder(index, number);
  const fs::path manifest_path = folder / layout::kManifestFile;
  SnapshotManifest manifest = ReadSnapshotManifest(index, number);
  CheckFileNames(manifest, manifest_path);
  CheckMemory(PredictMemory(manifest),
              options.available_bytes ? *options.available_bytes : AvailableMemory(), folder);
  auto vectors = OpenVectors(folder, manifest);
  auto items = OpenItems(folder, manifest);
  auto candidates = OpenCandidates(folder, manifest);
  auto codes = OpenCodes(folder, manifest);
  auto gpu = OpenOnGpu(manifest, vectors, candidates.get(), codes.get(), options);
  return std::make_unique<const Snapshot>(Snapshot{.number = number,
                                                   .manifest = std::move(manifest),
                                                   .vectors = std::move(vectors),
                                                   .items = std::move(items),
                                                   .candidates = std::move(candidates),
                                                   .codes = std::move(codes),
                                                   .gpu = std::move(gpu)});
}

std::unique_ptr<const Snapshot> OpenLiveSnapshot(const fs::path& index,
                                                 const OpenOptions& options) {
  if (!layout::HoldsIndex(index)) {
    NotFound("no index in ", index, ": expected a file CURRENT and a folder snapshots");
  }
  for (int attempt = 1;; ++attempt) {
    std::string problem;
    const std::optional<int64_t> live = CurrentOrNone(index, problem);
    if (!live) spdlog::warn("cannot tell the live snapshot: {}", problem);
    // A snapshot after the live one was never committed.
    std::vector<int64_t> numbers = layout::ListSnapshots(index);
    if (live) {
      std::erase_if(numbers, [&](int64_t number) { return number >= *live; });
      numbers.push_back(*live);
    }
    std::reverse(numbers.begin(), numbers.end());
    try {
      auto snapshot = OpenFirstGood(index, numbers, options, problem);
      std::string ignored;
      const bool overtaken = snapshot->number != live && CurrentOrNone(index, ignored) != live;
      if (!overtaken || attempt == kAttempts) return snapshot;
    } catch (const Error&) {
      std::string ignored;
      if (CurrentOrNone(index, ignored) == live || attempt == kAttempts) throw;
    }
  }
}

}  // namespace fluke
