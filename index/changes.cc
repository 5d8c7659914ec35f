#include "index/changes.h"

#include <algorithm>
#include <utility>

namespace fluke {
namespace {

constexpr size_t kReleaseFloats = 1 << 24;  // visited before pages are given back

}  // namespace

Changes::Changes(const Snapshot* base, int64_t dimension, PutMemory memory)
    : base_(base), dimension_(static_cast<size_t>(dimension)), put_(dimension, std::move(memory)) {
  if (base == nullptr) return;
  base_rows_ = static_cast<size_t>(base->items.rows());
  rows_.assign(base_rows_, kBase);
}

std::optional<size_t> Changes::FindRow(std::string_view id) const {
  if (base_ != nullptr) {
    if (const auto row = base_->items.FindId(id)) return static_cast<size_t>(*row);
  }
  if (const auto number = appended_index_.Find(appended_ids_, id)) return base_rows_ + *number;
  return {};
}

void Changes::Put(const Item& item, std::span<const float> vector) {
  put_.Add(item, vector);
  const auto put = static_cast<int64_t>(put_.size()) - 1;
  empty_ = false;
  if (const auto row = FindRow(item.id)) {
    rows_[*row] = put;
    if (*row < base_rows_) only_appends_ = false;
    return;
  }
  appended_index_.FindOrAppend(appended_ids_, item.id);
  rows_.push_back(put);
}

bool Changes::Remove(std::string_view id) {
  const auto row = FindRow(id);
  if (!row || rows_[*row] == kRemoved) return false;
  rows_[*row] = kRemoved;
  empty_ = false;
  if (*row < base_rows_) only_appends_ = false;
  return true;
}

void Changes::Take(const OverlayView& overlay) {
  RowSet gone = overlay.base_rows;
  gone.Invert();
  gone.ForEach([&](int64_t row) { Remove(base_->items.id(row)); });
  overlay.tail_rows.ForEach([&](int64_t row) {
    Put(overlay.tail_item(row), overlay.tail_vector(row, base_->manifest.dimension));
  });
}

void Changes::ForEach(const Visitor& visit) const {
  const size_t stretch = std::max<size_t>(1, kReleaseFloats / dimension_);
  for (size_t begin = 0; begin < rows_.size(); begin += stretch) {
    const size_t end = std::min(begin + stretch, rows_.size());
    for (size_t row = begin; row < end; ++row) Visit(row, visit);
    put_.Release();
    if (begin < base_rows_) {
      base_->vectors.ReleaseRows(static_cast<int64_t>(begin),
                                 static_cast<int64_t>(std::min(end, base_rows_)));
    }
  }
}

void Changes::Visit(size_t row, const Visitor& visit) const {
  const int64_t held = rows_[row];
  if (held == kRemoved) return;
  if (held == kBase) {
    visit(base_->items.item(static_cast<int64_t>(row)),
          base_->vectors.values().subspan(row * dimension_, dimension_));
  } else {
    visit(put_.item(static_cast<size_t>(held)), put_.vector(static_cast<size_t>(held)));
  }
}

}  // namespace fluke
