#include "index/index_version.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "common/error.h"
#include "index/best_k.h"
#include "index/exact_scan.h"
#include "index/memory_need.h"
#include "index/snapshot_search.h"

namespace fluke {
namespace {

using Results = std::vector<std::vector<Neighbor>>;

// A version's rows that a search may find.
struct Allowed {
  RowSet base;
  RowSet tail;
};

// Those that match; null = all.
Allowed MatchingRows(const Snapshot& snapshot, const OverlayView& changes, const Filter* filter) {
  Allowed matching{.base = changes.base_rows, .tail = changes.tail_rows};
  if (filter == nullptr) return matching;
  matching.base.IntersectWith(snapshot.items.Matching(*filter));
  changes.tail_rows.ForEach([&](int64_t row) {
    if (!Matches(*filter, changes.tail_item(row))) matching.tail.Erase(row);
  });
  return matching;
}

// "" where the item has none.
std::string_view FieldOf(const Item& item, std::string_view field) {
  if (field == "identity") return item.identity;
  if (field == "path") return item.path;
  const auto found = item.metadata.find(std::string(field));
  return found == item.metadata.end() ? std::string_view() : std::string_view(found->second);
}

// The searches of one call; refers to all that it is given.
class VersionSearch {
 public:
  VersionSearch(const Snapshot& snapshot, const OverlayView& changes,
                std::span<const float> queries, const SearchOptions& options,
                std::span<const int64_t> exclude_rows)
      : snapshot_(snapshot),
        changes_(changes),
        queries_(queries),
        options_(options),
        exclude_rows_(exclude_rows),
        width_(static_cast<size_t>(snapshot.manifest.dimension)) {}

  Results Run() const {
    const std::optional<Allowed> allowed = AllowedRows();
    Results results = options_.one_per_identity
                          ? OnePerIdentity(allowed)
                          : BestRows(queries_, options_, exclude_rows_, allowed);
    for (std::vector<Neighbor>& result : results) {
      // Best first: what is below stands at the end.
      while (!result.empty() && !(result.back().score >= options_.min_score)) result.pop_back();
    }
    return results;
  }

 private:
  int64_t BaseRows() const { return changes_.base_rows.rows(); }

  // None where all of them may.
  std::optional<Allowed> AllowedRows() const {
    if (options_.filter == nullptr && changes_.changes_nothing()) return {};
    return MatchingRows(snapshot_, changes_, options_.filter);
  }

  // Whatever their identities.
  Results BestRows(std::span<const float> queries, const SearchOptions& options,
                   std::span<const int64_t> exclude_rows,
                   const std::optional<Allowed>& allowed) const {
    const int64_t n = static_cast<int64_t>(queries.size() / width_);
    std::vector<int64_t> in_base(exclude_rows.begin(), exclude_rows.end());
    for (int64_t& row : in_base) {
      if (row >= BaseRows()) row = -1;
    }
    Results results(static_cast<size_t>(n));
    if (BaseRows() > 0) {
      results =
          SearchSnapshot(snapshot_, queries, options,
                         {.exclude_rows = in_base, .allowed = allowed ? &allowed->base : nullptr});
    }
    if (allowed && allowed->tail.rows() > 0) {
      AddTail(queries, options.k, exclude_rows, allowed->tail, results);
    }
    return results;
  }

  void AddTail(std::span<const float> queries, int64_t k, std::span<const int64_t> exclude_rows,
               const RowSet& allowed, Results& results) const {
    for (size_t b = 0; b < changes_.blocks.size(); ++b) {
      const int64_t first = static_cast<int64_t>(b) * kTailBlockRows;
      const int64_t count = std::min(kTailBlockRows, allowed.rows() - first);
      const RowSet in_block = allowed.Slice(first, count);
      std::vector<int64_t> excluded(exclude_rows.begin(), exclude_rows.end());
      for (int64_t& row : excluded) {
        row -= BaseRows() + first;
        if (row < 0 || row >= count) row = -1;
      }
      const Results found = ScanExactly(
          snapshot_.manifest.similarity, queries,
          std::span(changes_.blocks[b]->vectors).first(static_cast<size_t>(count) * width_),
          snapshot_.manifest.dimension, k, {.exclude_rows = excluded, .allowed = &in_block});
      for (size_t q = 0; q < found.size(); ++q) {
        for (const Neighbor& neighbor : found[q]) {
          results[q].push_back({.row = BaseRows() + first + neighbor.row, .score = neighbor.score});
        }
      }
    }
    for (std::vector<Neighbor>& result : results) {
      std::sort(result.begin(), result.end(), Better);
      if (static_cast<int64_t>(result.size()) > k) result.resize(static_cast<size_t>(k));
    }
  }

  Results OnePerIdentity(const std::optional<Allowed>& allowed) const {
    Results results;
    const auto n = queries_.size() / width_;
    for (size_t q = 0; q < n; ++q) {
      const auto exclude = exclude_rows_.empty() ? exclude_rows_ : exclude_rows_.subspan(q, 1);
      results.push_back(IdentitiesOf(queries_.subspan(q * width_, width_), exclude, allowed));
    }
    return results;
  }

  // A search for more rows than identities are wanted; then, as long as these are not enough, one
  // among the rows of all other identities. What a search finds is farther than all before.
  std::vector<Neighbor> IdentitiesOf(std::span<const float> query,
                                     std::span<const int64_t> exclude_rows,
                                     std::optional<Allowed> allowed) const {
    std::vector<Neighbor> best;
    absl::flat_hash_set<std::string> seen;
    SearchOptions wide = options_;
    wide.k = static_cast<int>(std::min<int64_t>(4 * static_cast<int64_t>(options_.k), 1 << 30));
    for (;;) {
      const Results found = BestRows(query, wide, exclude_rows, allowed);
      for (const Neighbor& neighbor : found.front()) {
        const std::string identity = IdentityOf(neighbor.row);
        if (!identity.empty() && !seen.insert(identity).second) continue;
        best.push_back(neighbor);
        if (static_cast<int64_t>(best.size()) == options_.k) return best;
      }
      if (static_cast<int64_t>(found.front().size()) < wide.k) return best;
      if (!allowed) allowed = {.base = changes_.base_rows, .tail = changes_.tail_rows};
      for (const Neighbor& neighbor : found.front()) Erase(neighbor.row, *allowed);
      EraseIdentities(seen, *allowed);
    }
  }

  std::string IdentityOf(int64_t row) const {
    return row < BaseRows() ? snapshot_.items.item(row).identity
                            : changes_.tail_item(row - BaseRows()).identity;
  }

  void Erase(int64_t row, Allowed& allowed) const {
    if (row < BaseRows()) {
      allowed.base.Erase(row);
    } else {
      allowed.tail.Erase(row - BaseRows());
    }
  }

  void EraseIdentities(const absl::flat_hash_set<std::string>& seen, Allowed& allowed) const {
    absl::flat_hash_set<int32_t> numbers;
    for (const std::string& identity : seen) {
      if (const auto number = snapshot_.items.FindIdentity(identity)) numbers.insert(*number);
    }
    allowed.base.ForEach([&](int64_t row) {
      if (numbers.contains(snapshot_.items.identity_number(row))) allowed.base.Erase(row);
    });
    allowed.tail.ForEach([&](int64_t row) {
      if (seen.contains(changes_.tail_item(row).identity)) allowed.tail.Erase(row);
    });
  }

  const Snapshot& snapshot_;
  const OverlayView& changes_;
  std::span<const float> queries_;
  const SearchOptions& options_;
  std::span<const int64_t> exclude_rows_;
  size_t width_;
};

}  // namespace

IndexVersion::IndexVersion(std::shared_ptr<const Snapshot> snapshot, OverlayView changes)
    : snapshot_(std::move(snapshot)), changes_(std::move(changes)) {}

IndexInfo IndexVersion::Describe() const {
  const SnapshotManifest& manifest = snapshot_->manifest;
  return {.factory = manifest.factory,
          .metric = std::string(SimilarityName(manifest.similarity)),
          .dimension = manifest.dimension,
          .size = changes_.size,
          .fingerprint = manifest.fingerprint,
          .snapshot = snapshot_->number,
          .changed = changes_.changed(),
          .bytes = snapshot_->bytes(),
          .memory_bytes = PredictMemory(manifest).held_bytes(),
          .target_recall = manifest.target_recall};
}

Results IndexVersion::Search(std::span<const float> queries, const SearchOptions& options,
                             std::span<const int64_t> exclude_rows) const {
  const auto width = static_cast<size_t>(snapshot_->manifest.dimension);
  if (queries.size() % width != 0) {
    InvalidArgument("query of ", queries.size(), " values, expected the index's dimension, ", width,
                    ", or a multiple of it");
  }
  if (options.k < 1) InvalidArgument("k is ", options.k, ", expected at least 1");
  if (std::isnan(options.min_score)) InvalidArgument("min_score is not a number");
  if (!exclude_rows.empty() && exclude_rows.size() != queries.size() / width) {
    InvalidArgument(exclude_rows.size(), " rows to exclude for ", queries.size() / width,
                    " queries");
  }
  for (const int64_t row : exclude_rows) {
    if (row != -1) CheckRow(row);
  }
  CheckKnobs(*snapshot_, options);
  const std::vector<float> normalised = Normalised(queries);
  return VersionSearch(*snapshot_, changes_, normalised, options, exclude_rows).Run();
}

std::vector<float> IndexVersion::Normalised(std::span<const float> queries) const {
  const auto width = static_cast<size_t>(snapshot_->manifest.dimension);
  const Similarity similarity = snapshot_->manifest.similarity;
  std::vector<float> normalised(queries.begin(), queries.end());
  for (size_t q = 0; q < queries.size() / width; ++q) {
    const auto query = std::span(normalised).subspan(q * width, width);
    if (const std::string defect = VectorDefect(similarity, query); !defect.empty()) {
      InvalidArgument("query ", q, ": ", defect);
    }
    Normalise(similarity, query);
  }
  return normalised;
}

void IndexVersion::CheckRow(int64_t row) const {
  const int64_t rows = BaseRows() + changes_.tail_rows.rows();
  if (row < 0 || row >= rows) {
    Throw(absl::StatusCode::kOutOfRange, "row ", row, " of an index of ", rows);
  }
}

Item IndexVersion::item(int64_t row) const {
  CheckRow(row);
  return row < BaseRows() ? snapshot_->items.item(row) : changes_.tail_item(row - BaseRows());
}

void IndexVersion::ForEachRow(const std::function<void(int64_t row)>& visit) const {
  changes_.base_rows.ForEach(visit);
  changes_.tail_rows.ForEach([&](int64_t row) { visit(BaseRows() + row); });
}

std::optional<int64_t> IndexVersion::FindItem(std::string_view id) const {
  if (changes_.changed_ids != nullptr) {
    if (const auto changed = changes_.changed_ids->Find(id, changes_.sequence)) {
      if (*changed == ChangedIds::kGone) return {};
      return changed;
    }
  }
  return snapshot_->items.FindId(id);
}

std::vector<float> IndexVersion::vector(int64_t row) const {
  CheckRow(row);
  const auto width = static_cast<size_t>(snapshot_->manifest.dimension);
  const auto values =
      row < BaseRows()
          ? snapshot_->vectors.values().subspan(static_cast<size_t>(row) * width, width)
          : changes_.tail_vector(row - BaseRows(), snapshot_->manifest.dimension);
  return {values.begin(), values.end()};
}

int64_t IndexVersion::Count(const Filter* filter) const {
  if (filter == nullptr) return changes_.size;
  const Allowed matching = MatchingRows(*snapshot_, changes_, filter);
  return matching.base.Count() + matching.tail.Count();
}

std::vector<int64_t> IndexVersion::NextById(const Filter* filter, std::string_view after_id,
                                            int64_t count) const {
  using IdAndRow = std::pair<std::string_view, int64_t>;
  std::vector<IdAndRow> next;  // a heap, the greatest on top
  const auto offer = [&](std::string_view id, int64_t row) {
    if (id <= after_id) return;
    if (static_cast<int64_t>(next.size()) == count) {
      if (count == 0 || id >= next.front().first) return;
      std::pop_heap(next.begin(), next.end());
      next.pop_back();
    }
    next.emplace_back(id, row);
    std::push_heap(next.begin(), next.end());
  };
  const Allowed matching = MatchingRows(*snapshot_, changes_, filter);
  matching.base.ForEach([&](int64_t row) { offer(snapshot_->items.id(row), row); });
  matching.tail.ForEach([&](int64_t row) { offer(changes_.tail_item(row).id, BaseRows() + row); });
  std::sort_heap(next.begin(), next.end());
  std::vector<int64_t> rows;
  for (const auto& [id, row] : next) rows.push_back(row);
  return rows;
}

std::vector<FacetValue> IndexVersion::Facet(std::string_view field, const Filter* filter) const {
  if (field.empty() || field == "id") {
    InvalidArgument("facet of '", field, "': expected identity, path or a field of metadata");
  }
  const Allowed matching = MatchingRows(*snapshot_, changes_, filter);
  ValueCounts counts;
  snapshot_->items.CountValues(field, matching.base, counts);
  matching.tail.ForEach([&](int64_t row) {
    const std::string_view value = FieldOf(changes_.tail_item(row), field);
    if (!value.empty()) ++counts[std::string(value)];
  });
  std::vector<FacetValue> facet;
  for (const auto& [value, count] : counts) facet.push_back({.value = value, .count = count});
  std::sort(facet.begin(), facet.end(), [](const FacetValue& a, const FacetValue& b) {
    return a.count != b.count ? a.count > b.count : a.value < b.value;
  });
  return facet;
}

}  // namespace fluke
