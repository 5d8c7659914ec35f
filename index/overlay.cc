#include "index/overlay.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <mutex>

#include "index/change_log.h"
#include "index/stored_item.h"

namespace fluke {
Overlay ReplayLog(const std::filesystem::path& folder, std::shared_ptr<const Snapshot> snapshot) {
  const SnapshotManifest& manifest = snapshot->manifest;
  Overlay overlay(snapshot, manifest.log_sequence);
  ReadLog(folder, {.origin = manifest.log_origin, .dimension = manifest.dimension},
          manifest.log_sequence, [&](int64_t sequence, const v1::ChangeRecord& record) {
            overlay.Apply(sequence, record);
          });
  return overlay;
}

void ChangedIds::Set(std::string_view id, int64_t sequence, int64_t row) {
  const std::unique_lock lock(mutex_);
  places_[std::string(id)].emplace_back(sequence, row);
}

std::optional<int64_t> ChangedIds::Find(std::string_view id, int64_t sequence) const {
  const std::shared_lock lock(mutex_);
  const auto found = places_.find(std::string(id));
  if (found == places_.end()) return {};
  // Nearly always the last one.
  for (auto place = found->second.rbegin(); place != found->second.rend(); ++place) {
    if (place->first <= sequence) return place->second;
  }
  return {};
}

Overlay::Overlay(std::shared_ptr<const Snapshot> base, int64_t sequence)
    : base_(std::move(base)),
      dimension_(base_->manifest.dimension),
      sequence_(sequence),
      base_rows_(RowSet::All(base_->manifest.size)),
      size_(base_->manifest.size) {}

std::optional<int64_t> Overlay::FindRow(std::string_view id) const {
  if (const auto changed = changed_ids_->Find(id, sequence_)) {
    if (*changed == ChangedIds::kGone) return {};
    return changed;
  }
  return base_->items.FindId(id);
}

std::span<const float> Overlay::vector(int64_t row) const {
  const auto width = static_cast<size_t>(dimension_);
  if (row < BaseRows()) {
    return base_->vectors.values().subspan(static_cast<size_t>(row) * width, width);
  }
  const int64_t tail = row - BaseRows();
  return std::span(std::as_const(blocks_[static_cast<size_t>(tail / kTailBlockRows)]->vectors))
      .subspan(static_cast<size_t>(tail % kTailBlockRows) * width, width);
}

void Overlay::Apply(int64_t sequence, const v1::ChangeRecord& record) {
  sequence_ = sequence;
  for (const std::string& id : record.removed()) Remove(id);
  for (const v1::StoredItem& item : record.updated()) {
    if (const auto row = FindRow(item.id())) Put(item, vector(*row));
  }
  const auto width = static_cast<size_t>(dimension_);
  std::vector<float> values(width);
  for (int i = 0; i < record.put_size(); ++i) {
    std::memcpy(values.data(),
                record.put_vectors().data() + static_cast<size_t>(i) * width * sizeof(float),
                width * sizeof(float));
    Put(record.put(i), values);
  }
}

void Overlay::Put(const v1::StoredItem& item, std::span<const float> vector) {
  Remove(item.id());
  const auto tail = static_cast<int64_t>(tail_rows_.size());
  if (tail % kTailBlockRows == 0) blocks_.push_back(std::make_shared<TailBlock>(dimension_));
  TailBlock& block = *blocks_.back();
  const int64_t place = tail % kTailBlockRows;
  std::copy(vector.begin(), vector.end(), block.vectors.begin() + place * dimension_);
  block.items[static_cast<size_t>(place)] = FromStored(item);
  tail_rows_.push_back(true);
  changed_ids_->Set(item.id(), sequence_, BaseRows() + tail);
  ++size_;
}

bool Overlay::Remove(std::string_view id) {
  const auto row = FindRow(id);
  if (!row) return false;
  if (*row < BaseRows()) {
    base_rows_.Erase(*row);
  } else {
    tail_rows_[static_cast<size_t>(*row - BaseRows())] = false;
  }
  changed_ids_->Set(id, sequence_, ChangedIds::kGone);
  --size_;
  return true;
}

OverlayView Overlay::View() const {
  RowSet tail(static_cast<int64_t>(tail_rows_.size()));
  for (size_t row = 0; row < tail_rows_.size(); ++row) {
    if (tail_rows_[row]) tail.Insert(static_cast<int64_t>(row));
  }
  return {.sequence = sequence_,
          .base_rows = base_rows_,
          .tail_rows = std::move(tail),
          .size = size_,
          .blocks = {blocks_.begin(), blocks_.end()},
          .changed_ids = changed_ids_};
}

}  // namespace fluke
