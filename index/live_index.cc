#include "index/live_index.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "common/error.h"
#include "index/change_log.h"
#include "index/changes.h"
#include "index/folder_lock.h"
#include "index/index_version.h"
#include "index/item_checks.h"
#include "index/layout.h"
#include "index/overlay.h"
#include "index/similarity.h"
#include "index/snapshot_builder.h"
#include "index/stored_item.h"
#include "index/writer.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCompactAfterRows = 4096;
constexpr int64_t kCompactAfterPart = 32;
// After a compaction failed (a full disk), the next attempt waits.
constexpr std::chrono::minutes kRetryAfter(1);

class FolderLiveIndex : public LiveIndex {
 public:
  FolderLiveIndex(fs::path folder, FolderLock lock, const LiveIndexOptions& options)
      : folder_(std::move(folder)), lock_(std::move(lock)), options_(options) {
    const std::lock_guard writing(write_mutex_);
    std::shared_ptr<const Snapshot> snapshot = OpenLiveSnapshot(folder_, options_.open);
    StartFrom(snapshot);
    const SnapshotManifest& manifest = snapshot->manifest;
    log_.emplace(folder_,
                 LogIdentity{.origin = manifest.log_origin, .dimension = manifest.dimension},
                 overlay_->sequence());
    if (options_.compact_after_rows >= 0) {
      compactor_ = std::thread([this] { CompactNowAndThen(); });
    }
  }

  ~FolderLiveIndex() override {
    {
      const std::lock_guard lock(compactor_mutex_);
      stopping_ = true;
    }
    stop_.notify_all();
    if (compactor_.joinable()) compactor_.join();
  }

  std::shared_ptr<const VectorIndex> Current() const override { return CurrentVersion(); }

  void Upsert(const std::vector<Item>& items, std::span<const float> vectors) override {
    const SnapshotManifest manifest = CurrentVersion()->snapshot().manifest;
    CheckItemsToAdd(manifest, items, vectors);
    if (items.empty()) return;
    v1::ChangeRecord record;
    std::vector<float> unit(vectors.begin(), vectors.end());
    const auto width = static_cast<size_t>(manifest.dimension);
    for (size_t i = 0; i < items.size(); ++i) {
      Normalise(manifest.similarity, std::span(unit).subspan(i * width, width));
      *record.add_put() = ToStored(items[i]);
    }
    record.set_put_vectors(reinterpret_cast<const char*>(unit.data()), unit.size() * sizeof(float));
    const std::lock_guard writing(write_mutex_);
    Make(record);
  }

  int64_t Remove(const std::vector<std::string>& ids) override {
    const std::lock_guard writing(write_mutex_);
    v1::ChangeRecord record;
    absl::flat_hash_set<std::string> seen;
    for (const std::string& id : ids) {
      if (overlay_->FindRow(id) && seen.insert(id).second) record.add_removed(id);
    }
    if (record.removed().empty()) return 0;
    Make(record);
    return record.removed_size();
  }

  void Update(const std::vector<Item>& items) override {
    const std::lock_guard writing(write_mutex_);
    v1::ChangeRecord record;
    absl::flat_hash_set<std::string> seen;
    for (const Item& item : items) {
      if (!overlay_->FindRow(item.id)) NotFound("no item '", item.id, "' to update");
      if (!seen.insert(item.id).second) {
        InvalidArgument("two items to update have the id '", item.id, "'");
      }
      CheckMetadataNames(item);
      *record.add_updated() = ToStored(item);
    }
    if (!record.updated().empty()) Make(record);
  }

  int64_t Compact() override {
    const std::lock_guard compacting(compact_mutex_);
    std::shared_ptr<const IndexVersion> version;
    {
      // What comes from here on goes to a segment of its own, so that the one before can be
      // removed.
      const std::lock_guard writing(write_mutex_);
      log_->BeginSegment();
      version = CurrentVersion();
    }
    if (version->changes().changes_nothing()) return version->snapshot().number;
    const std::shared_ptr<const Snapshot> snapshot = Fold(*version);
    const std::lock_guard writing(write_mutex_);
    StartFrom(snapshot);
    return snapshot->number;
  }

 private:
  std::shared_ptr<const IndexVersion> CurrentVersion() const {
    const std::lock_guard lock(current_mutex_);
    return current_;
  }

  void Publish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    auto version = std::make_shared<const IndexVersion>(snapshot_, overlay_->View());
    const std::lock_guard lock(current_mutex_);
    current_.swap(version);  // the old one is freed, if at all, after the lock
  }

  // The snapshot and what the log has after it.
  void StartFrom(std::shared_ptr<const Snapshot> snapshot)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    auto overlay = std::make_unique<Overlay>(ReplayLog(folder_, snapshot));
    snapshot_ = std::move(snapshot);
    overlay_ = std::move(overlay);
    Publish();
  }

  // Durable first, then seen.
  void Make(const v1::ChangeRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    const int64_t sequence = log_->Append(record);
    overlay_->Apply(sequence, record);
    Publish();
  }

  // A snapshot of all that a version has.
  std::unique_ptr<const Snapshot> Fold(const IndexVersion& version) const {
    const Snapshot& base = version.snapshot();
    SnapshotManifest manifest = base.manifest;
    manifest.log_sequence = version.changes().sequence;
    Changes changes(&base, manifest.dimension, {kPendingBytes, layout::SpillFile(folder_)});
    changes.Take(version.changes());
    return CommitSnapshot(folder_, manifest, &base, changes, options_.open);
  }

  // Rows that came or went, against how many start a compaction.
  bool ShouldCompact() const {
    const auto version = CurrentVersion();
    const int64_t rows = version->changes().base_rows.rows();
    const int64_t most = options_.compact_after_rows > 0
                             ? options_.compact_after_rows
                             : std::max(kCompactAfterRows, rows / kCompactAfterPart);
    return version->changes().changed() >= most;
  }

  void CompactNowAndThen() {
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::milliseconds kLook(100);
    Clock::time_point next{};
    for (;;) {
      {
        std::unique_lock lock(compactor_mutex_);
        if (stop_.wait_for(lock, kLook, [this] { return stopping_; })) return;
      }
      if (Clock::now() < next || !ShouldCompact()) continue;
      try {
        spdlog::info("{}: folded the changes into snapshot {}", folder_.string(), Compact());
      } catch (const std::exception& error) {
        spdlog::warn("{}: cannot fold the changes into a new snapshot, they stay in the log: {}",
                     folder_.string(), error.what());
        next = Clock::now() + kRetryAfter;
      }
    }
  }

  const fs::path folder_;
  const FolderLock lock_;
  const LiveIndexOptions options_;

  // Taken in this order. std::mutex, not Abseil's: ThreadSanitizer does not see into Debian's.
  std::mutex compact_mutex_;
  std::mutex write_mutex_;
  mutable std::mutex current_mutex_;

  std::optional<ChangeLog> log_ ABSL_GUARDED_BY(write_mutex_);
  std::shared_ptr<const Snapshot> snapshot_ ABSL_GUARDED_BY(write_mutex_);
  std::unique_ptr<Overlay> overlay_ ABSL_GUARDED_BY(write_mutex_);
  std::shared_ptr<const IndexVersion> current_ ABSL_GUARDED_BY(current_mutex_);

  std::mutex compactor_mutex_;
  std::condition_variable stop_;
  bool stopping_ ABSL_GUARDED_BY(compactor_mutex_) = false;
  std::thread compactor_;
};

}  // namespace

std::unique_ptr<LiveIndex> OpenLiveIndex(const fs::path& folder, const LiveIndexOptions& options) {
  if (!layout::HoldsIndex(folder)) NotFound("no index in ", folder);
  FolderLock lock(layout::LockFile(folder));
  layout::RemoveLeftovers(folder, layout::LiveNumber(folder));
  return std::make_unique<FolderLiveIndex>(folder, std::move(lock), options);
}

}  // namespace fluke
