// The step `local_evidence` of ranking pipelines.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>

#include "index/local/evidence_calibration.h"
#include "index/ranking/pipeline.h"
#include "tests/index/fixtures.h"
#include "tests/index/local_gallery.h"

namespace fluke::testing {
namespace {

constexpr char kByLocal[] = "steps: [{local_evidence: {by: local, shortlist: 16}}]";
constexpr char kByBoth[] = "steps: [{local_evidence: {shortlist: 16}}]";

class LocalEvidenceStep : public LocalGallery {
 protected:
  LocalEvidenceStep() : index_(OpenIndex(folder_.path())) {}

  std::shared_ptr<const VectorIndex> Ranked(const std::string& yaml) const {
    WriteBytes(folder_.path() / "pipeline.yaml", yaml);
    return ranking::RankWith(ranking::LoadPipeline(folder_.path() / "pipeline.yaml"), index_,
                             folder_.path());
  }
  // Of an item, itself left out.
  std::string FirstFor(const VectorIndex& ranked, const std::string& id) const {
    const int64_t row = index_->FindItem(id).value();
    const std::vector<int64_t> without = {row};
    const std::vector<QueryPhotograph> photographs = {{.item_id = id}};
    const auto found =
        ranked.SearchPhotographs(index_->vector(row), {.k = 3}, without, photographs);
    return index_->item(found.at(0).at(0).row).id;
  }
  void Calibrate() const {
    WriteEvidenceCalibration(folder_.path(), CalibrateEvidence(LocalIndex(folder_.path()), *index_,
                                                               {.shortlist = kPhotos}));
  }

  std::shared_ptr<const VectorIndex> index_;
};

TEST_F(LocalEvidenceStep, FindsWhomTheEmbeddingMisses) {
  EXPECT_NE(FirstFor(*index_, "3b"), "3a");
  Calibrate();
  for (const char* yaml : {kByLocal, kByBoth}) {
    const auto ranked = Ranked(yaml);
    for (int i = 0; i < kIndividuals; ++i) {
      EXPECT_EQ(FirstFor(*ranked, StrCat(i, "b")), StrCat(i, "a")) << yaml;
    }
  }
}

TEST_F(LocalEvidenceStep, TellsWhichRegionsMatch) {
  const auto ranked = Ranked(kByLocal);
  EXPECT_TRUE(ranked->Describe().matches_regions);
  EXPECT_FALSE(index_->Describe().matches_regions);
  const int64_t own = index_->FindItem("3b").value();
  const std::vector<int64_t> rows = {index_->FindItem("3a").value(),
                                     index_->FindItem("5a").value()};
  const auto matches = ranked->Match({.item_id = "3b"}, rows, own);
  ASSERT_EQ(matches.size(), 2u);
  EXPECT_GT(matches[0].size(), 10u);
  EXPECT_GT(matches[0].size(), 2 * matches[1].size());
  // 3b is 3a, turned by a map that is known: what matches must lie where the map puts it.
  const cv::Matx23d turn = Turn(cv::Size(200, 200), 20, .9, 3, 2);
  for (const MatchedRegions& match : matches[0]) {
    const cv::Vec2d to = turn * cv::Vec3d(200 * match.gallery.x, 200 * match.gallery.y, 1);
    EXPECT_NEAR(200 * match.query.x, to[0], 20);
    EXPECT_NEAR(200 * match.query.y, to[1], 20);
  }
  ExpectError(absl::StatusCode::kFailedPrecondition, {"without local evidence"},
              [&] { index_->Match({.item_id = "3b"}, rows, own); });
}

TEST_F(LocalEvidenceStep, LooksAtAPhotographThatTheGalleryDoesNotHold) {
  std::vector<uint8_t> png;
  cv::imencode(".png", Photo(5, true), png);
  const std::string image(png.begin(), png.end());
  const std::vector<QueryPhotograph> photographs = {{.image = image}};
  const int64_t own = index_->FindItem("5b").value();
  const std::vector<int64_t> without = {own};
  const auto found = Ranked(kByLocal)->SearchPhotographs(
      index_->vector(index_->FindItem("0a").value()), {.k = 1}, without, photographs);
  EXPECT_EQ(index_->item(found.at(0).at(0).row).id, "5a");
}

TEST_F(LocalEvidenceStep, KnowsKeyPointsOfOtherQueriesFromTheirFolder) {
  LocalWriter writer(folder_.path() / "queries", options_);
  writer.Add({.id = "new", .identity = "", .path = "new", .metadata = {}},
             ExtractKeyPoints(Photo(6, true), options_));
  writer.Commit();
  const auto ranked =
      Ranked("steps: [{local_evidence: {by: local, shortlist: 16, queries: queries}}]");
  const std::vector<QueryPhotograph> known = {{.item_id = "new"}}, unknown = {{.item_id = "who"}};
  const std::vector<float> vector = index_->vector(0);
  const auto found = ranked->SearchPhotographs(vector, {.k = 2}, {}, known);
  for (const Neighbor& neighbor : found.at(0)) {
    EXPECT_EQ(index_->item(neighbor.row).identity, "whale6");
  }
  ExpectError(absl::StatusCode::kFailedPrecondition, {"'who'"},
              [&] { ranked->SearchPhotographs(vector, {.k = 2}, {}, unknown); });
  ExpectError(absl::StatusCode::kFailedPrecondition, {"a vector alone"},
              [&] { ranked->Search(vector, {.k = 2}); });
}

TEST_F(LocalEvidenceStep, SaysWhatItLacks) {
  ExpectError(absl::StatusCode::kNotFound, {"index calibrate"},
              [&] { Ranked(kByBoth)->SearchPhotographs(index_->vector(0), {.k = 1}, {}, {}); });
  ExpectError(absl::StatusCode::kInvalidArgument, {"by", "bth"}, [&] {
    Ranked("steps: [{local_evidence: {by: bth}}]")
        ->SearchPhotographs(index_->vector(0), {.k = 1}, {}, {});
  });
  std::filesystem::remove_all(layout::LocalFolder(folder_.path()));
  ExpectError(absl::StatusCode::kNotFound, {"index build --local"},
              [&] { Ranked(kByLocal)->SearchPhotographs(index_->vector(0), {.k = 1}, {}, {}); });
}

}  // namespace
}  // namespace fluke::testing
