#include "index/reader.h"

#include <algorithm>
#include <utility>

#include "common/error.h"
#include "index/bounded_scan.h"
#include "index/exact_scan.h"
#include "index/list_scan.h"
#include "index/score_kernels.h"
#include "index/snapshot.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

class SnapshotIndex : public VectorIndex {
 public:
  explicit SnapshotIndex(std::unique_ptr<const Snapshot> snapshot)
      : snapshot_(std::move(snapshot)), manifest_(snapshot_->manifest) {}

  IndexInfo Describe() const override {
    return {.factory = manifest_.factory,
            .metric = std::string(SimilarityName(manifest_.similarity)),
            .dimension = manifest_.dimension,
            .size = manifest_.size,
            .fingerprint = manifest_.fingerprint,
            .snapshot = snapshot_->number,
            .bytes = snapshot_->bytes()};
  }

  std::vector<std::vector<Neighbor>> Search(std::span<const float> queries,
                                            const SearchOptions& options,
                                            std::span<const int64_t> exclude_rows) const override {
    CheckArguments(queries, options, exclude_rows);
    std::vector<float> normalised(queries.begin(), queries.end());
    for (size_t q = 0; q < queries.size() / Width(); ++q) {
      const auto query = std::span(normalised).subspan(q * Width(), Width());
      if (const std::string defect = VectorDefect(manifest_.similarity, query); !defect.empty()) {
        InvalidArgument("query ", q, ": ", defect);
      }
      Normalise(manifest_.similarity, query);
    }
    const int64_t k = std::min<int64_t>(options.k, manifest_.size);
    const int64_t asked = (k + (exclude_rows.empty() ? 0 : 1)) * manifest_.search.refine_factor;
    if (snapshot_->searches_lists() && k * manifest_.search.refine_factor < manifest_.size) {
      const int nprobe = options.nprobe > 0 ? options.nprobe : manifest_.search.nprobe;
      return ScanLists(*snapshot_->codes, BestCodeKernel(), manifest_.similarity, normalised,
                       snapshot_->vectors.values(), manifest_.dimension,
                       {.k = k, .nprobe = nprobe, .refine = manifest_.search.refine_factor},
                       exclude_rows);
    }
    if (snapshot_->codes != nullptr) {
      return ScanByBounds(*snapshot_->codes, BestCodeKernel(), manifest_.similarity, normalised,
                          snapshot_->vectors.values(), manifest_.dimension, k, exclude_rows);
    }
    if (snapshot_->candidates == nullptr || asked >= manifest_.size) {
      return ScanExactly(manifest_.similarity, normalised, snapshot_->vectors.values(),
                         manifest_.dimension, k, exclude_rows);
    }
    return SearchCandidates(normalised, k, asked, options, exclude_rows);
  }

  Item item(int64_t row) const override {
    return snapshot_->items.item(static_cast<int64_t>(Checked(row)));
  }

  std::optional<int64_t> FindItem(std::string_view id) const override {
    return snapshot_->items.FindId(id);
  }

  std::vector<float> vector(int64_t row) const override {
    const auto values = Row(static_cast<int64_t>(Checked(row)));
    return {values.begin(), values.end()};
  }

 private:
  size_t Width() const { return static_cast<size_t>(manifest_.dimension); }

  std::span<const float> Row(int64_t row) const {
    return snapshot_->vectors.values().subspan(static_cast<size_t>(row) * Width(), Width());
  }

  size_t Checked(int64_t row) const {
    if (row < 0 || row >= manifest_.size) {
      Throw(absl::StatusCode::kOutOfRange, "row ", row, " of an index of ", manifest_.size);
    }
    return static_cast<size_t>(row);
  }

  void CheckArguments(std::span<const float> queries, const SearchOptions& options,
                      std::span<const int64_t> exclude_rows) const {
    if (queries.size() % Width() != 0) {
      InvalidArgument("query of ", queries.size(), " values, expected the index's dimension, ",
                      manifest_.dimension, ", or a multiple of it");
    }
    if (options.k < 1) InvalidArgument("k is ", options.k, ", expected at least 1");
    if (!exclude_rows.empty() && exclude_rows.size() != queries.size() / Width()) {
      InvalidArgument(exclude_rows.size(), " rows to exclude for ", queries.size() / Width(),
                      " queries");
    }
    for (const int64_t row : exclude_rows) {
      if (row != -1) Checked(row);
    }
    if (snapshot_->searches_lists()) {
      if (options.nprobe < 0) InvalidArgument("nprobe ", options.nprobe, ": expected 0 or more");
      if (options.ef_search != 0) InvalidArgument("ef_search is a parameter of HNSW indexes only");
    } else if (snapshot_->candidates != nullptr) {
      snapshot_->candidates->CheckParameters(options.nprobe, options.ef_search);
    } else if (manifest_.size > 0 && (options.nprobe != 0 || options.ef_search != 0)) {
      InvalidArgument("the index is exact ('", manifest_.factory,
                      "'): nprobe and ef_search are for approximate ones");
    }
  }

  // The FAISS index proposes `asked` rows a query; the best k by their own vectors stay.
  std::vector<std::vector<Neighbor>> SearchCandidates(std::span<const float> queries, int64_t k,
                                                      int64_t asked, const SearchOptions& options,
                                                      std::span<const int64_t> exclude_rows) const {
    const int64_t n = static_cast<int64_t>(queries.size() / Width());
    std::vector<int64_t> rows(static_cast<size_t>(n * asked));
    snapshot_->candidates->FindCandidates(queries, asked, options.nprobe, options.ef_search, rows);
    const ScoreFunction score = BestScoreKernel().of(manifest_.similarity);
    std::vector<std::vector<Neighbor>> results(static_cast<size_t>(n));
    for (auto& result : results) result.reserve(static_cast<size_t>(asked));
#pragma omp parallel for if (n > 1)
    for (int64_t q = 0; q < n; ++q) {
      const float* query = queries.data() + q * manifest_.dimension;
      auto& result = results[static_cast<size_t>(q)];
      for (const int64_t row :
           std::span(rows).subspan(static_cast<size_t>(q * asked), static_cast<size_t>(asked))) {
        if (row < 0 || (!exclude_rows.empty() && row == exclude_rows[static_cast<size_t>(q)])) {
          continue;
        }
        Neighbor found{.row = row};
        score(query, 1, Row(row).data(), 1, manifest_.dimension, &found.score);
        result.push_back(found);
      }
      std::sort(result.begin(), result.end(), Better);
      if (result.size() > static_cast<size_t>(k)) result.resize(static_cast<size_t>(k));
    }
    FillUp(queries, k, exclude_rows, results);
    return results;
  }

  // An approximate index may find fewer than k (short lists): those queries are answered exactly.
  void FillUp(std::span<const float> queries, int64_t k, std::span<const int64_t> exclude_rows,
              std::vector<std::vector<Neighbor>>& results) const {
    for (size_t q = 0; q < results.size(); ++q) {
      const bool excludes = !exclude_rows.empty() && exclude_rows[q] >= 0;
      if (static_cast<int64_t>(results[q].size()) >=
          std::min(k, manifest_.size - (excludes ? 1 : 0))) {
        continue;
      }
      results[q] = ScanExactly(manifest_.similarity, queries.subspan(q * Width(), Width()),
                               snapshot_->vectors.values(), manifest_.dimension, k,
                               exclude_rows.empty() ? exclude_rows : exclude_rows.subspan(q, 1))
                       .front();
    }
  }

  std::unique_ptr<const Snapshot> snapshot_;
  const SnapshotManifest& manifest_;
};

}  // namespace

std::unique_ptr<VectorIndex> OpenIndex(const fs::path& folder) {
  return std::make_unique<SnapshotIndex>(OpenLiveSnapshot(folder));
}

void CheckFingerprint(const IndexInfo& index, std::string_view fingerprint, std::string_view of) {
  if (index.fingerprint.empty() || fingerprint.empty() || index.fingerprint == fingerprint) return;
  Throw(absl::StatusCode::kFailedPrecondition, "the index was made with the model ",
        index.fingerprint, ", but the fingerprint of ", of, " is ", fingerprint,
        ": use the model of the index or build the index again");
}

}  // namespace fluke
