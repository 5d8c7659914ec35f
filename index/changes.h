// What a writer has been told since its last commit, laid over the snapshot that it started from.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/item.h"
#include "index/snapshot.h"

namespace fluke {

// Rows keep their order: a replaced item stays in its row, a removed one closes up, a new one goes
// to the end. Not thread-safe.
class Changes {
 public:
  // `base` may be null (an empty index) and must outlive this object.
  Changes(const Snapshot* base, int64_t dimension);

  // vector: dimension, sound and normalised.
  void Put(const Item& item, std::span<const float> vector);
  // Was it there?
  bool Remove(std::string_view id);

  bool empty() const { return empty_; }
  // Nothing of the base was replaced or removed: its rows are the first ones of the outcome.
  bool only_appends() const { return only_appends_; }

  // The outcome, row by row.
  using Visitor = std::function<void(const Item& item, std::span<const float> vector)>;
  void ForEach(const Visitor& visit) const;

 private:
  // Rows of the outcome in order, those of the base first; what a row holds is an index into put_
  // or one of these.
  static constexpr int64_t kBase = -1;     // what the base has in this row
  static constexpr int64_t kRemoved = -2;  // nothing

  const Snapshot* base_;
  size_t dimension_;
  std::vector<int64_t> rows_;
  std::vector<Item> put_;
  std::vector<float> put_vectors_;                                // put_.size() x dimension
  absl::flat_hash_map<std::string, int64_t> row_of_appended_id_;  // rows after the base's
  bool empty_ = true;
  bool only_appends_ = true;
};

}  // namespace fluke
