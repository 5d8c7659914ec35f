// Per-individual prototypes mixed with neighbours: the blend of kNN and class scores of
// Happywhale's winners (Kaggle 2022), with the mean of an individual's vectors as its class.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "index/best_k.h"
#include "index/ranking/identities.h"
#include "index/ranking/steps/factories.h"

namespace fluke::ranking {
namespace {

class PrototypesStep : public Step {
 public:
  PrototypesStep(const v1::Prototypes& settings, const Gallery& gallery)
      : weight_(settings.weight()),
        shortlist_(settings.shortlist()),
        width_(static_cast<size_t>(gallery.dimension())),
        identities_(IdentitiesOf(gallery.index())),
        sums_(static_cast<size_t>(identities_.count) * width_) {
    std::vector<float> vector(width_);
    gallery.index().ForEachRow([&](int64_t row) {
      const int32_t identity = identities_.of_row[static_cast<size_t>(row)];
      if (identity < 0) return;
      gallery.CopyVector(row, -1, vector.data());
      double* sum = sums_.data() + static_cast<size_t>(identity) * width_;
      for (size_t j = 0; j < width_; ++j) sum[j] += vector[j];
    });
  }

  int64_t DepthFor(int64_t k) const override { return std::max<int64_t>(k, shortlist_); }

  void Apply(const StepScope& scope, std::span<QueryState> queries) const override {
    for (QueryState& query : queries) {
      absl::flat_hash_map<int32_t, double> cosines;  // of the query with each prototype
      std::vector<float> prototype(width_);
      for (Neighbor& neighbor : query.ranking) {
        const int32_t identity = identities_.of_row[static_cast<size_t>(neighbor.row)];
        if (identity < 0) continue;  // an item of unknown identity keeps its score
        const auto [cosine, is_new] = cosines.try_emplace(identity, 0.0);
        if (is_new) {
          MakePrototype(identity, scope.gallery, query.without, prototype);
          cosine->second = Cosine(query.vector.data(), prototype.data(), scope.gallery.dimension());
        }
        neighbor.score =
            static_cast<float>((1 - weight_) * neighbor.score + weight_ * cosine->second);
      }
      std::ranges::sort(query.ranking, Better);
    }
  }

 private:
  void MakePrototype(int32_t identity, const Gallery& gallery, int64_t without,
                     std::span<float> prototype) const {
    const auto sum = std::span(sums_).subspan(static_cast<size_t>(identity) * width_, width_);
    std::ranges::transform(sum, prototype.begin(), [](double v) { return static_cast<float>(v); });
    if (without >= 0 && identities_.of_row[static_cast<size_t>(without)] == identity) {
      std::vector<float> left_out(width_);
      gallery.CopyVector(without, -1, left_out.data());
      for (size_t j = 0; j < width_; ++j) {
        prototype[j] = static_cast<float>(sum[j] - left_out[j]);
      }
    }
    ToUnitLength(prototype);
  }

  double weight_;
  int64_t shortlist_;
  size_t width_;
  Identities identities_;
  std::vector<double> sums_;  // identities x dimension
};

}  // namespace

StepPtr MakePrototypes(const v1::RankingStep& settings, GalleryPtr gallery,
                       const StepContext& /*context*/) {
  return std::make_unique<const PrototypesStep>(settings.prototypes(), *gallery);
}

}  // namespace fluke::ranking
