// The models of a concatenated embedding, weighted: cosines become their weighted mean.
#include <algorithm>
#include <cmath>
#include <utility>

#include "index/ranking/parts.h"
#include "index/ranking/steps/factories.h"

namespace fluke::ranking {
namespace {

class WeightedGallery : public MatrixGallery {
 public:
  WeightedGallery(std::shared_ptr<const Gallery> before, std::vector<Part> parts)
      : MatrixGallery(before, before->dimension()), parts_(std::move(parts)) {
    index().ForEachRow([&](int64_t r) {
      this->before().CopyVector(r, -1, row(r).data());
      Weigh(row(r));
    });
  }

  std::vector<float> Queries(std::span<const float> of_index) const override {
    std::vector<float> queries = before().Queries(of_index);
    const auto width = static_cast<size_t>(dimension());
    for (size_t i = 0; i < queries.size(); i += width) Weigh(std::span(queries).subspan(i, width));
    return queries;
  }

 private:
  void Weigh(std::span<float> vector) const {
    for (const Part& part : parts_) {
      const auto values =
          vector.subspan(static_cast<size_t>(part.begin), static_cast<size_t>(part.dimension));
      ToUnitLength(values);
      const double scale = std::sqrt(part.weight);
      for (float& value : values) value = static_cast<float>(value * scale);
    }
    ToUnitLength(vector);
  }

  std::vector<Part> parts_;
};

}  // namespace

GalleryPtr MakeMetaEmbedding(const v1::RankingStep& settings, GalleryPtr gallery,
                             const StepContext& /*context*/) {
  std::vector<Part> parts = PartsOf(settings.meta_embedding().parts(), gallery->dimension());
  return std::make_shared<const WeightedGallery>(std::move(gallery), std::move(parts));
}

}  // namespace fluke::ranking
