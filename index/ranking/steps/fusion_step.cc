// The models of a concatenated embedding rank each by its own part.
#include <algorithm>
#include <memory>
#include <utility>

#include "common/table.h"
#include "index/ranking/fusion.h"
#include "index/ranking/parts.h"
#include "index/ranking/steps/factories.h"

namespace fluke::ranking {
namespace {

// One model's vectors.
class PartGallery : public MatrixGallery {
 public:
  PartGallery(const GalleryPtr& whole, const Part& part)
      : MatrixGallery(whole, part.dimension), part_(part) {
    std::vector<float> vector(static_cast<size_t>(whole->dimension()));
    index().ForEachRow([&](int64_t r) {
      whole->CopyVector(r, -1, vector.data());
      std::ranges::copy(Of(vector), row(r).begin());
    });
  }

  std::vector<float> Of(std::span<const float> whole) const {
    const auto part =
        whole.subspan(static_cast<size_t>(part_.begin), static_cast<size_t>(part_.dimension));
    std::vector<float> own(part.begin(), part.end());
    ToUnitLength(own);
    return own;
  }

  std::vector<float> Queries(std::span<const float> of_index) const override {
    const std::vector<float> wholes = before().Queries(of_index);
    const auto width = static_cast<size_t>(before().dimension());
    std::vector<float> queries;
    for (size_t i = 0; i < wholes.size(); i += width) {
      const std::vector<float> own = Of(std::span(wholes).subspan(i, width));
      queries.insert(queries.end(), own.begin(), own.end());
    }
    return queries;
  }

  double weight() const { return part_.weight; }

 private:
  Part part_;
};

class FusionStep : public Step {
 public:
  FusionStep(const v1::Fusion& settings, const GalleryPtr& gallery)
      : method_(Find(FusionMethods(), "fusion method", settings.method())),
        k_(settings.k()),
        depth_(settings.depth()) {
    for (const Part& part : PartsOf(settings.parts(), gallery->dimension())) {
      parts_.push_back(std::make_unique<const PartGallery>(gallery, part));
    }
  }

  // It ranks anew.
  int64_t DepthFor(int64_t /*k*/) const override { return 1; }

  void Apply(const StepScope& scope, std::span<QueryState> queries) const override {
    SearchOptions options = scope.options;
    options.k = std::max(options.k, depth_);
    std::vector<int64_t> without;
    for (const QueryState& query : queries) without.push_back(query.without);
    std::vector<std::vector<WeightedRanking>> rankings(queries.size());
    for (const auto& part : parts_) {
      std::vector<float> vectors;
      for (const QueryState& query : queries) {
        const std::vector<float> own = part->Of(query.vector);
        vectors.insert(vectors.end(), own.begin(), own.end());
      }
      Rankings found = part->Search(vectors, options, without);
      for (size_t i = 0; i < found.size(); ++i) {
        rankings[i].push_back({.ranking = std::move(found[i]), .weight = part->weight()});
      }
    }
    for (size_t i = 0; i < queries.size(); ++i) {
      queries[i].ranking = Fuse(rankings[i], method_, k_);
    }
  }

 private:
  const FusionRow& method_;
  double k_;
  int depth_;
  std::vector<std::unique_ptr<const PartGallery>> parts_;
};

}  // namespace

StepPtr MakeFusion(const v1::RankingStep& settings, GalleryPtr gallery,
                   const StepContext& /*context*/) {
  return std::make_unique<const FusionStep>(settings.fusion(), gallery);
}

}  // namespace fluke::ranking
