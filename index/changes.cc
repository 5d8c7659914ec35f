#include "index/changes.h"

namespace fluke {

Changes::Changes(const Snapshot* base, int64_t dimension)
    : base_(base), dimension_(static_cast<size_t>(dimension)) {
  if (base != nullptr) rows_.assign(static_cast<size_t>(base->items.rows()), kBase);
}

void Changes::Put(const Item& item, std::span<const float> vector) {
  empty_ = false;
  const int64_t put = static_cast<int64_t>(put_.size());
  put_.push_back(item);
  put_vectors_.insert(put_vectors_.end(), vector.begin(), vector.end());
  if (base_ != nullptr) {
    if (const auto found = base_->items.FindId(item.id)) {
      rows_[static_cast<size_t>(*found)] = put;
      only_appends_ = false;
      return;
    }
  }
  const auto [place, is_new] =
      row_of_appended_id_.try_emplace(item.id, static_cast<int64_t>(rows_.size()));
  if (is_new) {
    rows_.push_back(put);
  } else {
    rows_[static_cast<size_t>(place->second)] = put;
  }
}

bool Changes::Remove(std::string_view id) {
  const std::string key(id);
  int64_t* row = nullptr;
  if (base_ != nullptr) {
    if (const auto found = base_->items.FindId(id)) {
      row = &rows_[static_cast<size_t>(*found)];
      only_appends_ = false;
    }
  }
  if (const auto found = row_of_appended_id_.find(key); found != row_of_appended_id_.end()) {
    row = &rows_[static_cast<size_t>(found->second)];
  }
  if (row == nullptr || *row == kRemoved) return false;
  *row = kRemoved;
  empty_ = false;
  return true;
}

void Changes::ForEach(const Visitor& visit) const {
  for (size_t row = 0; row < rows_.size(); ++row) {
    const int64_t held = rows_[row];
    if (held == kRemoved) continue;
    if (held == kBase) {
      visit(base_->items.item(static_cast<int64_t>(row)),
            base_->vectors.values().subspan(row * dimension_, dimension_));
    } else {
      const size_t put = static_cast<size_t>(held);
      visit(put_[put], std::span(put_vectors_).subspan(put * dimension_, dimension_));
    }
  }
}

}  // namespace fluke
