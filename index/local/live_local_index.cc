#include "index/local/live_local_index.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "common/error.h"
#include "index/local/local_files.h"
#include "index/local/stored_features.h"
#include "index/stored_item.h"

namespace fluke {
namespace {

// With so many times the descriptors that lists were trained for, each holds five times as many,
// where new lists would hold 2.2 times (their number goes with the root).
constexpr int64_t kFoldAtTimes = 5;

}  // namespace

LiveLocalIndex::LiveLocalIndex(std::filesystem::path index) : index_(std::move(index)) {
  const std::lock_guard writing(write_mutex_);
  Open();
}

void LiveLocalIndex::Open() {
  auto opened = std::make_shared<LocalIndex>(index_);
  log_.emplace(layout::LocalFolder(index_), kLocalLog, opened->sequence());
  fold_at_points_ = kFoldAtTimes * std::max(kExactDescriptors, opened->manifest().points);
  changing_ = opened;
  const std::lock_guard lock(current_mutex_);
  current_ = std::move(opened);
}

std::shared_ptr<const LocalIndex> LiveLocalIndex::Current() const {
  const std::lock_guard lock(current_mutex_);
  return current_;
}

void LiveLocalIndex::Make(const v1::ChangeRecord& record) {
  const int64_t sequence = log_->Append(record);
  changing_->Apply(sequence, record);
}

void LiveLocalIndex::Put(std::span<const Item> items, std::span<const LocalFeatures> features) {
  if (features.size() != items.size()) {
    InvalidArgument("key points of ", features.size(), " photographs for ", items.size(), " items");
  }
  if (items.empty()) return;
  v1::ChangeRecord record;
  for (size_t i = 0; i < items.size(); ++i) {
    *record.add_put() = ToStored(items[i]);
    *record.add_put_features() = ToStored(features[i]);
  }
  const std::lock_guard writing(write_mutex_);
  Make(record);
  FoldWhereDue();
}

int64_t LiveLocalIndex::Remove(std::span<const std::string> ids) {
  const std::lock_guard writing(write_mutex_);
  v1::ChangeRecord record;
  absl::flat_hash_set<std::string> seen;
  for (const std::string& id : ids) {
    if (changing_->FindPhoto(id) && seen.insert(id).second) record.add_removed(id);
  }
  if (!record.removed().empty()) Make(record);
  return record.removed_size();
}

void LiveLocalIndex::Update(std::span<const Item> items) {
  const std::lock_guard writing(write_mutex_);
  v1::ChangeRecord record;
  for (const Item& item : items) {
    if (changing_->FindPhoto(item.id)) *record.add_updated() = ToStored(item);
  }
  if (!record.updated().empty()) Make(record);
}

void LiveLocalIndex::Fold() {
  const std::lock_guard writing(write_mutex_);
  if (changing_->sequence() > 0) FoldNow();
}

void LiveLocalIndex::FoldNow() {
  LocalWriter writer(index_, changing_->manifest().key_points);
  for (int64_t photo = 0; photo < changing_->photos(); ++photo) {
    const Item item = changing_->item(photo);
    if (changing_->FindPhoto(item.id) == photo) writer.Add(item, changing_->features(photo));
  }
  writer.KeepCalibration(index_);
  writer.Commit();
  Open();
}

// The change that made it due has happened whatever becomes of this.
void LiveLocalIndex::FoldWhereDue() {
  const int64_t points = changing_->points();
  if (points < fold_at_points_) return;
  try {
    FoldNow();
  } catch (const Error& error) {
    spdlog::warn("{}: the local evidence stays in its log, where searches are slower: {}",
                 index_.string(), error.what());
    fold_at_points_ = 2 * points;
  }
}

}  // namespace fluke
