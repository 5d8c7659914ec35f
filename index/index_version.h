// One version of an index as searches see it: a snapshot, and what changed since.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "common/vector_index.h"
#include "index/overlay.h"
#include "index/snapshot.h"

namespace fluke {

// Rows of the snapshot keep their numbers; those that came since follow. Immutable, thread-safe.
class IndexVersion : public VectorIndex {
 public:
  IndexVersion(std::shared_ptr<const Snapshot> snapshot, OverlayView changes);

  IndexInfo Describe() const override;
  std::vector<std::vector<Neighbor>> Search(
      std::span<const float> queries, const SearchOptions& options,
      std::span<const int64_t> exclude_rows = {}) const override;
  Item item(int64_t row) const override;
  void ForEachRow(const std::function<void(int64_t row)>& visit) const override;
  std::optional<int64_t> FindItem(std::string_view id) const override;
  std::vector<float> vector(int64_t row) const override;
  int64_t Count(const Filter* filter) const override;
  std::vector<int64_t> NextById(const Filter* filter, std::string_view after_id,
                                int64_t count) const override;
  std::vector<FacetValue> Facet(std::string_view field, const Filter* filter) const override;

  const Snapshot& snapshot() const { return *snapshot_; }
  const OverlayView& changes() const { return changes_; }

 private:
  int64_t BaseRows() const { return changes_.base_rows.rows(); }
  void CheckRow(int64_t row) const;
  std::vector<float> Normalised(std::span<const float> queries) const;

  std::shared_ptr<const Snapshot> snapshot_;
  OverlayView changes_;
};

}  // namespace fluke
