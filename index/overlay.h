// What changed since a snapshot, in memory: rows that are gone, and rows that came, behind the
// snapshot's own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "common/item.h"
#include "fluke/v1/storage.pb.h"
#include "index/row_set.h"
#include "index/snapshot.h"

namespace fluke {

inline constexpr int64_t kTailBlockRows = 1024;

// Rows that came, in blocks that never move. A row is written once, before any view that counts it
// is published.
struct TailBlock {
  explicit TailBlock(int64_t dimension)
      : vectors(static_cast<size_t>(kTailBlockRows * dimension)),
        items(static_cast<size_t>(kTailBlockRows)) {}
  std::vector<float> vectors;  // kTailBlockRows x dimension
  std::vector<Item> items;     // kTailBlockRows
};

// Where the items are that changed, as of every moment since the snapshot. Thread-safe.
class ChangedIds {
 public:
  static constexpr int64_t kGone = -1;

  void Set(std::string_view id, int64_t sequence, int64_t row);
  // Row or kGone as of that moment; none where it had not changed by then.
  std::optional<int64_t> Find(std::string_view id, int64_t sequence) const;

 private:
  mutable std::shared_mutex mutex_;
  // By id: (sequence, row), ascending.
  absl::flat_hash_map<std::string, std::vector<std::pair<int64_t, int64_t>>> places_
      ABSL_GUARDED_BY(mutex_);
};

// The state after one change; immutable. Row r of the tail is row base_rows.rows() + r.
struct OverlayView {
  int64_t sequence = 0;  // of that change
  RowSet base_rows;      // of the snapshot: those still there
  RowSet tail_rows;      // those still there
  int64_t size = 0;      // of both together
  std::vector<std::shared_ptr<const TailBlock>> blocks = {};
  std::shared_ptr<const ChangedIds> changed_ids = {};

  // Rows that came, and rows of the snapshot that went.
  int64_t changed() const { return tail_rows.rows() + base_rows.rows() - base_rows.Count(); }
  bool changes_nothing() const { return changed() == 0; }
  const Item& tail_item(int64_t row) const {
    return blocks[static_cast<size_t>(row / kTailBlockRows)]
        ->items[static_cast<size_t>(row % kTailBlockRows)];
  }
  std::span<const float> tail_vector(int64_t row, int64_t dimension) const {
    return std::span(blocks[static_cast<size_t>(row / kTailBlockRows)]->vectors)
        .subspan(static_cast<size_t>(row % kTailBlockRows * dimension),
                 static_cast<size_t>(dimension));
  }
};

// Takes changes in. One at a time; views taken before stay as they are.
class Overlay {
 public:
  // sequence: of the last change that `base` holds.
  Overlay(std::shared_ptr<const Snapshot> base, int64_t sequence);

  // A record that CheckRecord (change_log.h) has let through. An update of an item that is not
  // there changes nothing.
  void Apply(int64_t sequence, const v1::ChangeRecord& record);

  int64_t sequence() const { return sequence_; }
  std::optional<int64_t> FindRow(std::string_view id) const;
  std::span<const float> vector(int64_t row) const;

  OverlayView View() const;

 private:
  int64_t BaseRows() const { return base_rows_.rows(); }
  void Put(const v1::StoredItem& item, std::span<const float> vector);
  bool Remove(std::string_view id);

  std::shared_ptr<const Snapshot> base_;
  int64_t dimension_;
  int64_t sequence_;
  RowSet base_rows_;
  std::vector<bool> tail_rows_;  // is it still there?
  int64_t size_;
  std::vector<std::shared_ptr<TailBlock>> blocks_;
  std::shared_ptr<ChangedIds> changed_ids_ = std::make_shared<ChangedIds>();
};

// What the log of an index folder says on top of a snapshot.
Overlay ReplayLog(const std::filesystem::path& folder, std::shared_ptr<const Snapshot> snapshot);

}  // namespace fluke
