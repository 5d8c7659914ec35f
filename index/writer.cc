#include "index/writer.h"

#include <algorithm>
#include <utility>

#include "common/error.h"
#include "common/files.h"
#include "index/approximate_index.h"
#include "index/changes.h"
#include "index/folder_lock.h"
#include "index/index_version.h"
#include "index/item_checks.h"
#include "index/layout.h"
#include "index/similarity.h"
#include "index/snapshot.h"
#include "index/snapshot_builder.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

class SnapshotWriter : public IndexWriter {
 public:
  // `base`: null for an empty index.
  SnapshotWriter(fs::path folder, FolderLock lock, SnapshotManifest manifest,
                 std::shared_ptr<const Snapshot> base, uint64_t pending_bytes)
      : folder_(std::move(folder)),
        lock_(std::move(lock)),
        manifest_(std::move(manifest)),
        base_(std::move(base)),
        pending_bytes_(pending_bytes),
        changes_(NoChanges(base_.get())) {}

  void Add(const std::vector<Item>& items, std::span<const float> vectors) override {
    CheckItemsToAdd(manifest_, items, vectors);
    const size_t width = static_cast<size_t>(manifest_.dimension);
    std::vector<float> vector(width);
    for (size_t i = 0; i < items.size(); ++i) {
      const auto given = vectors.subspan(i * width, width);
      std::copy(given.begin(), given.end(), vector.begin());
      Normalise(manifest_.similarity, vector);
      changes_.Put(items[i], vector);
    }
  }

  // What was logged after the base.
  void Take(const OverlayView& logged) { changes_.Take(logged); }

  int64_t Remove(const std::vector<std::string>& ids) override {
    return std::count_if(ids.begin(), ids.end(),
                         [&](const std::string& id) { return changes_.Remove(id); });
  }

  int64_t Commit() override {
    if (base_ != nullptr && changes_.empty()) return base_->number;
    auto snapshot = CommitSnapshot(folder_, manifest_, base_.get(), changes_);
    manifest_ = snapshot->manifest;
    changes_ = NoChanges(snapshot.get());
    base_ = std::move(snapshot);
    return base_->number;
  }

 private:
  Changes NoChanges(const Snapshot* base) const {
    return {base, manifest_.dimension, {pending_bytes_, layout::SpillFile(folder_)}};
  }

  fs::path folder_;
  FolderLock lock_;
  SnapshotManifest manifest_;  // of the last commit; before the first, the options
  std::shared_ptr<const Snapshot> base_;
  uint64_t pending_bytes_;
  Changes changes_;
};

SnapshotManifest ManifestFrom(const IndexOptions& options) {
  if (options.dimension < 1) {
    InvalidArgument("index dimension ", options.dimension, ", expected at least 1");
  }
  SnapshotManifest manifest;
  manifest.factory = options.factory;
  manifest.similarity = ParseSimilarity(options.metric);
  manifest.dimension = options.dimension;
  manifest.fingerprint = options.fingerprint;
  if (!(options.target_recall >= 0 && options.target_recall <= 1)) {
    InvalidArgument("target recall ", options.target_recall, ", expected a share from 0 to 1");
  }
  manifest.target_recall = options.target_recall;
  CheckFactory(options.factory, options.dimension, manifest.similarity);
  return manifest;
}

void MakeFolders(const fs::path& folder) {
  MakeFolder(folder);
  MakeFolder(layout::SnapshotsFolder(folder));
}

std::unique_ptr<IndexWriter> NewWriter(const fs::path& folder, FolderLock lock,
                                       const IndexOptions& options, SnapshotManifest manifest) {
  layout::RemoveLeftovers(folder, layout::LiveNumber(folder));
  return std::make_unique<SnapshotWriter>(folder, std::move(lock), std::move(manifest), nullptr,
                                          options.pending_bytes);
}

}  // namespace

std::unique_ptr<IndexWriter> CreateIndex(const fs::path& folder, const IndexOptions& options) {
  SnapshotManifest manifest = ManifestFrom(options);
  MakeFolders(folder);
  FolderLock lock(layout::LockFile(folder));
  if (layout::HoldsIndex(folder)) {
    Throw(absl::StatusCode::kAlreadyExists, "there is an index in ", folder, " already");
  }
  return NewWriter(folder, std::move(lock), options, std::move(manifest));
}

std::unique_ptr<IndexWriter> ReplaceIndex(const fs::path& folder, const IndexOptions& options) {
  SnapshotManifest manifest = ManifestFrom(options);
  MakeFolders(folder);
  FolderLock lock(layout::LockFile(folder));
  return NewWriter(folder, std::move(lock), options, std::move(manifest));
}

std::unique_ptr<IndexWriter> ContinueIndex(const fs::path& folder, uint64_t pending_bytes) {
  if (!layout::HoldsIndex(folder)) NotFound("no index in ", folder);
  FolderLock lock(layout::LockFile(folder));
  layout::RemoveLeftovers(folder, layout::LiveNumber(folder));
  const std::shared_ptr<const Snapshot> base = OpenLiveSnapshot(folder);
  SnapshotManifest manifest = base->manifest;
  const OverlayView logged = ReplayLog(folder, base).View();
  manifest.log_sequence = logged.sequence;
  auto writer = std::make_unique<SnapshotWriter>(folder, std::move(lock), std::move(manifest), base,
                                                 pending_bytes);
  writer->Take(logged);
  return writer;
}

}  // namespace fluke
