// Local evidence: the nearest by embedding, ranked anew by what their key points have in common
// with the query's (index/local).
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/local/extract_manifest.h"
#include "common/local/matched_regions.h"
#include "common/table.h"
#include "index/local/evidence_calibration.h"
#include "index/local/local_index.h"
#include "index/ranking/steps/factories.h"

namespace fluke::ranking {
namespace {

enum class By { kBoth, kLocal };

struct ByRow {
  std::string_view name;
  By by;
  std::string_view help;
};

constexpr ByRow kBy[] = {
    {"both", By::kBoth, "the mean of what both kinds of scores say, as they were calibrated"},
    {"local", By::kLocal, "the local score alone; needs no calibration"},
};

class LocalEvidenceStep : public Step {
 public:
  LocalEvidenceStep(const v1::LocalEvidence& settings, const Gallery& gallery,
                    const StepContext& context)
      : by_(Find(kBy, "by", settings.by()).by),
        shortlist_(settings.shortlist()),
        gallery_photos_(context.local ? context.local
                                      : std::make_shared<const LocalIndex>(context.index_folder)) {
    search_.verify = settings.verify() ? 1 : 0;
    search_.geometry.model = settings.geometry();
    Find(GeometryModels(), "geometry", settings.geometry());
    if (!settings.queries().empty()) {
      query_photos_.emplace(context.pipeline_folder / settings.queries());
      if (query_photos_->manifest().key_points != gallery_photos_->manifest().key_points) {
        InvalidArgument("the key points of ", settings.queries(),
                        " were found with other options than the gallery's");
      }
    }
    if (by_ == By::kBoth) {
      calibration_ = ReadEvidenceCalibration(context.index_folder);
      CheckCalibrationFits(calibration_, gallery_photos_->manifest(), gallery.index().Describe());
    }
  }

  int64_t DepthFor(int64_t k) const override { return std::max<int64_t>(k, shortlist_); }

  void Apply(const StepScope& scope, std::span<QueryState> queries) const override {
    for (QueryState& query : queries) Rank(scope.gallery.index(), query);
  }

  std::optional<Matches> Match(const VectorIndex& index, const QueryPhotograph& photograph,
                               std::span<const int64_t> rows, int64_t without) const override {
    const LocalFeatures features = FeaturesOf(photograph);
    std::vector<int64_t> photos;
    std::vector<size_t> places;  // of those, among the rows
    for (size_t i = 0; i < rows.size(); ++i) {
      if (const auto photo = gallery_photos_->FindPhoto(index.item(rows[i]).id)) {
        photos.push_back(*photo);
        places.push_back(i);
      }
    }
    Matches matches(rows.size());
    const std::vector<LocalHit> hits =
        gallery_photos_->Score(features, photos, search_, PhotoOf(index, without));
    for (size_t i = 0; i < hits.size(); ++i) {
      matches[places[i]] =
          WholeRegionsOf(features, gallery_photos_->features(photos[i]), hits[i].pairs);
    }
    return matches;
  }

 private:
  // Of a row (-1: none), -1 where the local evidence has none.
  int64_t PhotoOf(const VectorIndex& index, int64_t row) const {
    return row < 0 ? -1 : gallery_photos_->FindPhoto(index.item(row).id).value_or(-1);
  }

  void Rank(const VectorIndex& index, QueryState& query) const {
    const LocalFeatures features = FeaturesOf(query.photograph);
    const std::vector<double> scores = LocalScores(*gallery_photos_, index, features, query.ranking,
                                                   search_, PhotoOf(index, query.without));
    if (by_ == By::kBoth) {
      query.ranking = CombinedRanking(query.ranking, scores, calibration_);
      return;
    }
    for (size_t i = 0; i < scores.size(); ++i) {
      query.ranking[i].score = static_cast<float>(scores[i]);
    }
    // Those without any evidence keep the order that the embedding gave them.
    std::ranges::stable_sort(
        query.ranking, [](const Neighbor& a, const Neighbor& b) { return a.score > b.score; });
  }

  // Known key points where there are, otherwise those of the photograph itself.
  LocalFeatures FeaturesOf(const QueryPhotograph& photograph) const {
    if (!photograph.image.empty()) {
      return ExtractEncoded(photograph.image, photograph.crop,
                            gallery_photos_->manifest().key_points);
    }
    if (!photograph.item_id.empty()) {
      for (const LocalIndex* known :
           {query_photos_ ? &*query_photos_ : nullptr, gallery_photos_.get()}) {
        if (known == nullptr) continue;
        if (const auto photo = known->FindPhoto(photograph.item_id)) return known->features(*photo);
      }
    }
    Throw(absl::StatusCode::kFailedPrecondition,
          "local_evidence needs the query's photograph or its key points",
          photograph.item_id.empty() ? "; a vector alone has neither"
                                     : StrCat("; there are none of '", photograph.item_id,
                                              "' (setting `queries` names more)"));
  }

  By by_;
  int32_t shortlist_;
  LocalSearchOptions search_;
  std::shared_ptr<const LocalIndex> gallery_photos_;
  std::optional<LocalIndex> query_photos_;
  EvidenceCalibration calibration_;
};

}  // namespace

StepPtr MakeLocalEvidence(const v1::RankingStep& settings, GalleryPtr gallery,
                          const StepContext& context) {
  return std::make_unique<const LocalEvidenceStep>(settings.local_evidence(), *gallery, context);
}

}  // namespace fluke::ranking
