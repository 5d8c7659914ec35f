// Query expansion: Chum et al., Total Recall, ICCV 2007; alpha: Radenovic, Tolias, Chum,
// Fine-tuning CNN Image Retrieval with No Human Annotation, PAMI 2018.
#include <algorithm>
#include <utility>

#include "index/ranking/steps/expansion.h"
#include "index/ranking/steps/factories.h"

namespace fluke::ranking {
namespace {

class QueryExpansion : public Step {
 public:
  explicit QueryExpansion(const v1::QueryExpansion& settings)
      : k_(settings.k()), alpha_(settings.alpha()) {}

  int64_t DepthFor(int64_t /*k*/) const override { return k_; }

  void Apply(const StepScope& scope, std::span<QueryState> queries) const override {
    std::vector<float> vectors;
    std::vector<int64_t> without;
    for (QueryState& query : queries) {
      std::vector<Neighbor> nearest = query.ranking;
      if (static_cast<int64_t>(nearest.size()) > k_) nearest.resize(static_cast<size_t>(k_));
      std::vector<float> other(query.vector.size());
      for (Neighbor& neighbor : nearest) {  // the ranking's scores may be another step's
        scope.gallery.CopyVector(neighbor.row, query.without, other.data());
        neighbor.score =
            Cosine(query.vector.data(), other.data(), static_cast<int64_t>(other.size()));
      }
      query.vector = Expanded(query.vector, nearest, alpha_, scope.gallery, query.without);
      vectors.insert(vectors.end(), query.vector.begin(), query.vector.end());
      without.push_back(query.without);
    }
    Rankings rankings = scope.gallery.Search(vectors, scope.options, without);
    for (size_t i = 0; i < queries.size(); ++i) queries[i].ranking = std::move(rankings[i]);
  }

 private:
  int64_t k_;
  double alpha_;
};

}  // namespace

StepPtr MakeQueryExpansion(const v1::RankingStep& settings, GalleryPtr /*gallery*/,
                           const StepContext& /*context*/) {
  return std::make_unique<const QueryExpansion>(settings.query_expansion());
}

}  // namespace fluke::ranking
