#include "index/snapshot_search.h"

#include <algorithm>
#include <cmath>

#include "common/error.h"
#include "index/best_k.h"
#include "index/bounded_scan.h"
#include "index/exact_scan.h"
#include "index/list_scan.h"
#include "index/parallel_loop.h"
#include "index/proposed_scan.h"
#include "index/recall_trial.h"
#include "index/row_scorer.h"

namespace fluke {
namespace {

// Where so few of all rows may be found, or so large a part of the lists would be visited for them,
// an exact search is quicker, and finds them all.
constexpr int64_t kFewAllowedOfLists = 64;
constexpr int64_t kFewAllowedOfFaiss = 16;
constexpr int64_t kMostListsVisited = 4;  // a part of all
// Fewer queries than these are found sooner by the codes than by a GPU's scan
// (tests/bench/README.md, gpu_search.py).
constexpr int64_t kFewForGpu = 16;

class Search {
 public:
  Search(const Snapshot& snapshot, std::span<const float> queries, const SearchOptions& options,
         const SearchScope& scope)
      : snapshot_(snapshot),
        manifest_(snapshot.manifest),
        queries_(queries),
        options_(options),
        scope_(scope),
        k_(std::min<int64_t>(options.k, manifest_.size)),
        allowed_(scope.Count(manifest_.size)) {}

  std::vector<std::vector<Neighbor>> Run() const {
    if (snapshot_.searches_lists()) return InLists();
    if (OnGpu()) return snapshot_.candidates != nullptr ? AmongCandidates() : AmongProposed();
    if (snapshot_.codes != nullptr) return ByBounds(queries_, scope_);
    if (snapshot_.candidates != nullptr) return AmongCandidates();
    return Exactly(queries_, scope_);
  }

 private:
  int64_t Refine() const { return manifest_.search.refine_factor; }
  // How many times as many rows must be passed by to meet as many allowed ones.
  double Thinness() const {
    return static_cast<double>(manifest_.size) /
           static_cast<double>(std::max<int64_t>(1, allowed_));
  }
  std::span<const float> rows() const { return snapshot_.vectors.values(); }

  // A GPU proposes out of all rows.
  bool OnGpu() const {
    if (snapshot_.gpu == nullptr || scope_.allowed != nullptr) return false;
    return snapshot_.codes == nullptr ||
           static_cast<int64_t>(queries_.size()) >= kFewForGpu * manifest_.dimension;
  }

  std::vector<std::vector<Neighbor>> Exactly(std::span<const float> queries,
                                             const SearchScope& scope) const {
    return ScanExactly(manifest_.similarity, queries, rows(), manifest_.dimension, k_, scope);
  }

  std::vector<std::vector<Neighbor>> ByBounds(std::span<const float> queries,
                                              const SearchScope& scope) const {
    return ScanByBounds(*snapshot_.codes, BestCodeKernel(), manifest_.similarity, queries, rows(),
                        manifest_.dimension, k_, scope);
  }

  // One query, by the quickest exact search that there is.
  std::vector<Neighbor> OneExactly(size_t q) const {
    const auto width = static_cast<size_t>(manifest_.dimension);
    const auto query = queries_.subspan(q * width, width);
    const SearchScope scope = scope_.Of(static_cast<int64_t>(q), 1);
    auto found = snapshot_.codes != nullptr ? ByBounds(query, scope) : Exactly(query, scope);
    return std::move(found.front());
  }

  std::vector<std::vector<Neighbor>> InLists() const {
    double lists = options_.nprobe;
    if (options_.nprobe == 0) {
      // The default is tuned for so many neighbours; more of them lie in more lists.
      const double more = static_cast<double>(k_) / static_cast<double>(RecallTrial::kTop);
      lists = manifest_.search.nprobe * std::sqrt(std::max(1.0, more));
    }
    const auto nprobe = static_cast<int64_t>(std::ceil(lists * Thinness()));
    const bool filtered = scope_.allowed != nullptr && allowed_ < manifest_.size;
    if (k_ * Refine() >= allowed_ || allowed_ < manifest_.size / kFewAllowedOfLists ||
        (filtered && nprobe > snapshot_.codes->lists() / kMostListsVisited)) {
      return ByBounds(queries_, scope_);
    }
    return ScanLists(*snapshot_.codes, BestCodeKernel(), manifest_.similarity, queries_, rows(),
                     manifest_.dimension, {.k = k_, .nprobe = nprobe, .refine = Refine()}, scope_);
  }

  // Exact all the same: what a GPU's scores cannot show is searched here.
  std::vector<std::vector<Neighbor>> AmongProposed() const {
    auto proposed = ScanProposed(*snapshot_.gpu, manifest_.similarity, queries_, rows(),
                                 manifest_.dimension, k_, scope_);
    std::vector<std::vector<Neighbor>> results;
    for (size_t q = 0; q < proposed.size(); ++q) {
      results.push_back(proposed[q] ? std::move(*proposed[q]) : OneExactly(q));
    }
    return results;
  }

  // The FAISS index proposes rows; the best k by their own vectors stay.
  std::vector<std::vector<Neighbor>> AmongCandidates() const {
    const double wanted =
        static_cast<double>((k_ + (scope_.exclude_rows.empty() ? 0 : 1)) * Refine());
    const double asked = std::ceil(wanted * Thinness());
    if (asked >= static_cast<double>(manifest_.size) ||
        allowed_ < manifest_.size / kFewAllowedOfFaiss) {
      return Exactly(queries_, scope_);
    }
    const auto count = static_cast<int64_t>(asked);
    const int64_t n = static_cast<int64_t>(queries_.size()) / manifest_.dimension;
    const int nprobe = snapshot_.candidates->ScaledProbes(options_.nprobe, Thinness());
    std::vector<int64_t> found(static_cast<size_t>(n * count));
    if (OnGpu() && count <= snapshot_.gpu->most()) {
      std::vector<float> scores(found.size());
      snapshot_.gpu->Propose(queries_, count, nprobe, found, scores);
    } else {
      snapshot_.candidates->FindCandidates(queries_, count, nprobe, options_.ef_search, found);
    }
    std::vector<std::vector<Neighbor>> results(static_cast<size_t>(n));
    ParallelLoop(
        n, static_cast<int>(std::min<int64_t>(n, omp_get_max_threads())), [&](int64_t q, int) {
          results[static_cast<size_t>(q)] = BestOf(
              q,
              std::span(found).subspan(static_cast<size_t>(q * count), static_cast<size_t>(count)));
        });
    FillUp(results);
    return results;
  }

  std::vector<Neighbor> BestOf(int64_t q, std::span<const int64_t> candidates) const {
    std::vector<int64_t> found;
    for (const int64_t row : candidates) {
      if (row >= 0 && row != scope_.excluded(q) && scope_.Allows(row)) found.push_back(row);
    }
    BestK best(k_);
    RowScorer(manifest_.similarity, rows(), manifest_.dimension)
        .Score(
            queries_.data() + q * manifest_.dimension, static_cast<int64_t>(found.size()),
            [&](int64_t i) { return found[static_cast<size_t>(i)]; },
            [&](int64_t i, float score) {
              best.Offer({.row = found[static_cast<size_t>(i)], .score = score});
            });
    return best.Sorted();
  }

  // An approximate index may find fewer than k (short lists): those queries are answered exactly.
  void FillUp(std::vector<std::vector<Neighbor>>& results) const {
    for (size_t q = 0; q < results.size(); ++q) {
      const int64_t excluded = scope_.excluded(static_cast<int64_t>(q));
      const int64_t there = allowed_ - (excluded >= 0 && scope_.Allows(excluded) ? 1 : 0);
      if (static_cast<int64_t>(results[q].size()) < std::min(k_, there)) results[q] = OneExactly(q);
    }
  }

  const Snapshot& snapshot_;
  const SnapshotManifest& manifest_;
  std::span<const float> queries_;
  const SearchOptions& options_;
  const SearchScope& scope_;
  int64_t k_;
  int64_t allowed_;
};

}  // namespace

void CheckKnobs(const Snapshot& snapshot, const SearchOptions& options) {
  if (snapshot.searches_lists()) {
    if (options.nprobe < 0) InvalidArgument("nprobe ", options.nprobe, ": expected 0 or more");
    if (options.ef_search != 0) InvalidArgument("ef_search is a parameter of HNSW indexes only");
  } else if (snapshot.candidates != nullptr) {
    snapshot.candidates->CheckParameters(options.nprobe, options.ef_search);
  } else if (snapshot.manifest.size > 0 && (options.nprobe != 0 || options.ef_search != 0)) {
    InvalidArgument("the index is exact ('", snapshot.manifest.factory,
                    "'): nprobe and ef_search are for approximate ones");
  }
}

std::vector<std::vector<Neighbor>> SearchSnapshot(const Snapshot& snapshot,
                                                  std::span<const float> queries,
                                                  const SearchOptions& options,
                                                  const SearchScope& scope) {
  return Search(snapshot, queries, options, scope).Run();
}

}  // namespace fluke
