// The seam between serve/cli and index/: read side, write side, and an index that is both at once.
//
// Vectors are row-major float32. Scores: larger is better; inner product or cosine similarity as
// they are, L2 as the negative squared distance. Equal scores are ordered by item row.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/box.h"
#include "common/error.h"
#include "common/filter.h"
#include "common/item.h"
#include "common/local/regions.h"

namespace fluke {

struct Neighbor {
  int64_t row = 0;  // row in this index version; item(row) tells who it is
  float score = 0;
};

// Arguments of one search, never fields of the shared index. 0 = the index's stored default.
struct SearchOptions {
  int k = 20;
  int nprobe = 0;     // IVF lists visited
  int ef_search = 0;  // HNSW candidate list
  // Only items that match; null = all. The answer is exact in their number whatever the index type:
  // min(k, matches). Must outlive the search.
  const Filter* filter = nullptr;
  // Neighbours that score below are left out.
  float min_score = -std::numeric_limits<float>::infinity();
  // The best photograph of each of k individuals. An item of unknown identity stands for itself.
  bool one_per_identity = false;

  // Of all fields, so that queries are searched together only where every one is the same.
  bool operator==(const SearchOptions&) const = default;
};

struct IndexInfo {
  std::string factory;  // FAISS factory string, "Flat" for the exact scan
  std::string metric;   // cosine, ip or l2
  int64_t dimension = 0;
  int64_t size = 0;              // searchable items
  std::string fingerprint;       // of the model that made the vectors; "" = unknown
  int64_t snapshot = 0;          // number of the live snapshot
  int64_t changed = 0;           // items that came or went since, still in the log alone
  uint64_t bytes = 0;            // on disk
  uint64_t memory_bytes = 0;     // that must fit into memory, an estimate; the rest is mapped
  double target_recall = 0;      // that searches are tuned for; 0 = the engine's own parameters
  bool matches_regions = false;  // Match is answered
};

struct FacetValue {
  std::string value;
  int64_t count = 0;  // of items

  bool operator==(const FacetValue&) const = default;
};

// What is known of a query, or of a new item, beside its vector, for steps of a ranking that look
// at photographs. Refers to what the caller holds; empty fields are not known.
struct QueryPhotograph {
  std::string_view image = {};    // encoded
  std::optional<Box> crop = {};   // of it
  std::string_view item_id = {};  // of the item that the photograph is, in the gallery or elsewhere
};

// One immutable version of an index. All methods are const and thread-safe.
class VectorIndex {
 public:
  virtual ~VectorIndex() = default;
  virtual IndexInfo Describe() const = 0;
  // queries: n x dimension; `exclude_rows` (empty, or one a query, -1 = none) leaves a row out,
  // e.g. the query itself. Result i holds min(k, items that may be found) neighbours, best first.
  // Throws InvalidArgument for a wrong dimension, k < 1 or a value that is not finite. Cosine
  // indexes normalise queries themselves.
  virtual std::vector<std::vector<Neighbor>> Search(
      std::span<const float> queries, const SearchOptions& options,
      std::span<const int64_t> exclude_rows = {}) const = 0;
  // The same where the queries' photographs are at hand, one a query: an index that ranks by
  // vectors alone has no use for them.
  virtual std::vector<std::vector<Neighbor>> SearchPhotographs(
      std::span<const float> queries, const SearchOptions& options,
      std::span<const int64_t> exclude_rows,
      std::span<const QueryPhotograph> /*photographs*/) const {
    return Search(queries, options, exclude_rows);
  }
  // Which regions of the photograph speak for each of `rows`, heaviest first, in shares of the
  // whole upright photographs; none where nothing does. `without`: as an excluded row. Throws
  // FailedPrecondition where photographs are ranked by vectors alone.
  virtual std::vector<std::vector<MatchedRegions>> Match(const QueryPhotograph& /*photograph*/,
                                                         std::span<const int64_t> /*rows*/,
                                                         int64_t /*without*/) const {
    Throw(absl::StatusCode::kFailedPrecondition,
          "this gallery is ranked without local evidence: it knows no matching regions");
  }
  virtual Item item(int64_t row) const = 0;
  // Calls `visit` for every row that holds an item, ascending.
  virtual void ForEachRow(const std::function<void(int64_t row)>& visit) const = 0;
  // Row of the item called `id`.
  virtual std::optional<int64_t> FindItem(std::string_view id) const = 0;
  // The vector of a row as it was added, of unit length in a cosine index.
  virtual std::vector<float> vector(int64_t row) const = 0;

  // Of the items that match; null = of all.
  virtual int64_t Count(const Filter* filter) const = 0;
  // Rows of those with the `count` smallest ids after `after_id`, byte by byte, in that order.
  virtual std::vector<int64_t> NextById(const Filter* filter, std::string_view after_id,
                                        int64_t count) const = 0;
  // The values of identity, path or a field of metadata, most frequent first, equally frequent ones
  // in the order of their bytes. Items without a value are not counted.
  virtual std::vector<FacetValue> Facet(std::string_view field, const Filter* filter) const = 0;
};

// Changes an index folder. One writer at a time (the folder is locked); readers keep the version
// they opened.
class IndexWriter {
 public:
  virtual ~IndexWriter() = default;
  // vectors: items.size() x dimension. An id that is there already is replaced. Where the disk is
  // full (ResourceExhausted), the first of the items may have been added.
  virtual void Add(const std::vector<Item>& items, std::span<const float> vectors) = 0;
  // Returns how many of the ids were there.
  virtual int64_t Remove(const std::vector<std::string>& ids) = 0;
  // Makes everything since the last commit durable as a new snapshot and returns its number.
  virtual int64_t Commit() = 0;
};

// An index folder that is changed while it is searched. Thread-safe. A change that returned is
// durable (in the write-ahead log) and part of every later Current(); one that threw did not
// happen, but for one that the disk would not confirm (an fsync that failed): that one may be there
// when the folder is opened again, and until then no further change is taken. Searches never wait
// for changes or for Compact().
class LiveIndex {
 public:
  virtual ~LiveIndex() = default;
  // The version with everything that was acknowledged so far. Its rows are not consecutive where
  // items were replaced or removed.
  virtual std::shared_ptr<const VectorIndex> Current() const = 0;
  // vectors: items.size() x dimension. An id that is there already is replaced.
  virtual void Upsert(const std::vector<Item>& items, std::span<const float> vectors) = 0;
  // The same where the items' photographs are at hand, one an item (one without an image: unknown):
  // an index that knows items by their vectors alone has no use for them.
  virtual void UpsertPhotographs(const std::vector<Item>& items, std::span<const float> vectors,
                                 std::span<const QueryPhotograph> /*photographs*/) {
    Upsert(items, vectors);
  }
  // Returns how many of the ids were there.
  virtual int64_t Remove(const std::vector<std::string>& ids) = 0;
  // Replaces identity, path and metadata of items that are there; vectors stay. Throws NotFound,
  // naming the id, where one is not.
  virtual void Update(const std::vector<Item>& items) = 0;
  // Folds all changes into a new snapshot and returns its number; searches and changes go on
  // meanwhile.
  virtual int64_t Compact() = 0;
};

}  // namespace fluke
