// The local evidence of an index that is changed while it is searched: photographs come and go one
// by one, each change durable in a log (INDEX/local/wal) before it counts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/item.h"
#include "common/local/key_points.h"
#include "index/change_log.h"
#include "index/local/local_index.h"

namespace fluke {

// Thread-safe. Whoever makes one holds the index folder's lock (folder_lock.h).
class LiveLocalIndex {
 public:
  // Throws as LocalIndex does.
  explicit LiveLocalIndex(std::filesystem::path index);

  // With everything that was put or removed so far, and with what comes until a Fold.
  std::shared_ptr<const LocalIndex> Current() const;

  // features[i] is of items[i]; an id that is there already is replaced. These three throw as
  // ChangeLog does, and nothing has changed then.
  void Put(std::span<const Item> items, std::span<const LocalFeatures> features);
  // Returns how many of the ids were there.
  int64_t Remove(std::span<const std::string> ids);
  // Identity, path and metadata of those that are there; key points stay.
  void Update(std::span<const Item> items);

  // Writes the log's photographs into the files and trains the lists of descriptors anew, which
  // takes the time that indexing took; searches go on. Put does so of itself when four fifths of
  // the key points are the log's.
  void Fold();

 private:
  void Make(const v1::ChangeRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  void FoldNow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  void FoldWhereDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  void Open() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);

  const std::filesystem::path index_;
  std::mutex write_mutex_;
  std::shared_ptr<LocalIndex> changing_ ABSL_GUARDED_BY(write_mutex_);
  std::optional<ChangeLog> log_ ABSL_GUARDED_BY(write_mutex_);
  int64_t fold_at_points_ ABSL_GUARDED_BY(write_mutex_) = 0;
  mutable std::mutex current_mutex_;
  std::shared_ptr<const LocalIndex> current_ ABSL_GUARDED_BY(current_mutex_);
};

}  // namespace fluke
