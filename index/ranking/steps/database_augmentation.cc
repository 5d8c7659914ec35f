// Database-side augmentation: Turcot and Lowe, ICCV workshops 2009; Arandjelovic and Zisserman,
// Three things everyone should know to improve object retrieval, CVPR 2012.
#include <algorithm>
#include <utility>

#include "index/best_k.h"
#include "index/parallel_loop.h"
#include "index/ranking/neighbor_lists.h"
#include "index/ranking/steps/expansion.h"
#include "index/ranking/steps/factories.h"

#include <omp.h>

namespace fluke::ranking {
namespace {

// Where a row is taken as not in the gallery, the vectors that it is part of are made anew without
// it: a photograph that is looked for among the others must not have left its trace in them.
class AugmentedGallery : public MatrixGallery {
 public:
  AugmentedGallery(std::shared_ptr<const Gallery> before, const v1::DatabaseAugmentation& settings)
      : MatrixGallery(before, before->dimension()),
        k_(settings.k()),
        alpha_(settings.alpha()),
        lists_(*before, settings.k() + 1),  // one to take the place of a row that is left out
        augments_(static_cast<size_t>(present().rows())) {
    const std::vector<int64_t> rows = RowsOf(index());
    ParallelLoop(static_cast<int64_t>(rows.size()), omp_get_max_threads(), [&](int64_t i, int) {
      std::ranges::copy(AugmentedWithout(rows[i], -1), row(rows[i]).begin());
    });
    for (const int64_t r : rows) {
      for (const Neighbor& neighbor : NearestWithout(r, -1)) {
        augments_[static_cast<size_t>(neighbor.row)].push_back(static_cast<int32_t>(r));
      }
    }
  }

  std::vector<float> Queries(std::span<const float> of_index) const override {
    return before().Queries(of_index);
  }

  Rankings Search(std::span<const float> queries, const SearchOptions& options,
                  std::span<const int64_t> without) const override {
    const RowSet allowed = Matching(options);
    const bool any = std::ranges::any_of(without, [](int64_t row) { return row >= 0; });
    if (!any) return Scan(queries, options.k, without, allowed);
    const auto width = static_cast<size_t>(dimension());
    Rankings rankings(queries.size() / width);
    ParallelLoop(static_cast<int64_t>(rankings.size()), omp_get_max_threads(), [&](int64_t i, int) {
      const auto query = queries.subspan(static_cast<size_t>(i) * width, width);
      rankings[i] =
          SearchOne(query, options.k, without.subspan(static_cast<size_t>(i), 1), allowed);
    });
    return rankings;
  }

  void CopyVector(int64_t r, int64_t without, float* out) const override {
    if (without >= 0 && Touches(without, r)) {
      std::ranges::copy(AugmentedWithout(r, without), out);
    } else {
      std::ranges::copy(row(r), out);
    }
  }

 private:
  bool Touches(int64_t neighbor, int64_t r) const {
    return std::ranges::binary_search(augments_[static_cast<size_t>(neighbor)],
                                      static_cast<int32_t>(r));
  }

  std::vector<Neighbor> NearestWithout(int64_t r, int64_t without) const {
    std::vector<Neighbor> nearest;
    for (const NearRow& near : lists_.Of(r)) {
      if (near.row == without || static_cast<int64_t>(nearest.size()) == k_) continue;
      nearest.push_back({.row = near.row, .score = near.score});
    }
    return nearest;
  }

  std::vector<float> AugmentedWithout(int64_t r, int64_t without) const {
    std::vector<float> own(static_cast<size_t>(dimension()));
    before().CopyVector(r, without, own.data());
    return Expanded(own, NearestWithout(r, without), alpha_, before(), without);
  }

  std::vector<Neighbor> SearchOne(std::span<const float> query, int k,
                                  std::span<const int64_t> without, const RowSet& allowed) const {
    if (without.front() < 0) return Scan(query, k, without, allowed).front();
    RowSet untouched = allowed;
    const std::vector<int32_t>& touched = augments_[static_cast<size_t>(without.front())];
    for (const int32_t r : touched) untouched.Erase(r);
    std::vector<Neighbor> ranking = Scan(query, k, without, untouched).front();
    for (const int32_t r : touched) {
      if (!allowed.Contains(r)) continue;
      const std::vector<float> vector = AugmentedWithout(r, without.front());
      ranking.push_back({.row = r, .score = Cosine(query.data(), vector.data(), dimension())});
    }
    std::ranges::sort(ranking, Better);
    if (ranking.size() > static_cast<size_t>(k)) ranking.resize(static_cast<size_t>(k));
    return ranking;
  }

  int64_t k_;
  double alpha_;
  NeighborLists lists_;
  std::vector<std::vector<int32_t>> augments_;  // a row: those that it is part of, ascending
};

}  // namespace

GalleryPtr MakeDatabaseAugmentation(const v1::RankingStep& settings, GalleryPtr gallery,
                                    const StepContext& /*context*/) {
  return std::make_shared<const AugmentedGallery>(std::move(gallery),
                                                  settings.database_augmentation());
}

}  // namespace fluke::ranking
