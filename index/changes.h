// What a writer has been told since its last commit, laid over the snapshot that it started from.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "common/item.h"
#include "index/overlay.h"
#include "index/put_store.h"
#include "index/snapshot.h"
#include "index/string_arena.h"

namespace fluke {

// Rows keep their order: a replaced item stays in its row, a removed one closes up, a new one goes
// to the end. Movable; not thread-safe.
class Changes {
 public:
  // `base` may be null (an empty index) and must outlive this object.
  Changes(const Snapshot* base, int64_t dimension, PutMemory memory = {});

  // vector: dimension, sound and normalised. Throws ResourceExhausted when the disk that the memory
  // spills to is full; nothing was changed then.
  void Put(const Item& item, std::span<const float> vector);
  // Was it there?
  bool Remove(std::string_view id);

  // All that an overlay of the base has changed.
  void Take(const OverlayView& overlay);

  bool empty() const { return empty_; }
  // Nothing of the base was replaced or removed: its rows are the first ones of the outcome.
  bool only_appends() const { return only_appends_; }

  // The outcome, row by row. Mapped pages are given back on the way.
  using Visitor = std::function<void(const Item& item, std::span<const float> vector)>;
  void ForEach(const Visitor& visit) const;

 private:
  // The row that has, or had, this id.
  std::optional<size_t> FindRow(std::string_view id) const;
  void Visit(size_t row, const Visitor& visit) const;

  // Rows of the outcome in order, those of the base first; what a row holds is an index into put_
  // or one of these.
  static constexpr int64_t kBase = -1;     // what the base has in this row
  static constexpr int64_t kRemoved = -2;  // nothing

  const Snapshot* base_;
  size_t base_rows_ = 0;
  size_t dimension_;
  std::vector<int64_t> rows_;
  PutStore put_;
  StringArena appended_ids_;  // of the rows after the base's, in their order
  StringIndex appended_index_;
  bool empty_ = true;
  bool only_appends_ = true;
};

}  // namespace fluke
