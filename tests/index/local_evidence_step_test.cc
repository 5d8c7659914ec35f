// The step `local_evidence` of ranking pipelines.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>

#include "index/live_index.h"
#include "index/local/evidence_calibration.h"
#include "index/local/local_index.h"
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
  static Item Named(const std::string& id, const std::string& identity) {
    return {.id = id, .identity = identity, .path = id, .metadata = {}};
  }
  static std::string Encoded(const cv::Mat& photograph) {
    std::vector<uint8_t> png;
    cv::imencode(".png", photograph, png);
    return {png.begin(), png.end()};
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
  const std::string image = Encoded(Photo(5, true));
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

TEST_F(LocalEvidenceStep, KnowsPhotographsThatCameLater) {
  index_.reset();
  WriteBytes(folder_.path() / "pipeline.yaml", kByLocal);
  const ranking::Pipeline pipeline = ranking::LoadPipeline(folder_.path() / "pipeline.yaml");
  std::shared_ptr<LiveIndex> live = OpenLiveIndex(folder_.path(), {.compact_after_rows = -1});
  const auto ranked = ranking::RankLiveWith(pipeline, live, folder_.path());
  const auto first_for = [&](const std::string& image) {
    const auto current = ranked->Current();
    const std::vector<QueryPhotograph> photographs = {{.image = image}};
    const std::vector<float> vector(kIndividuals, 1);
    return current->item(current->SearchPhotographs(vector, {.k = 1}, {}, photographs)[0][0].row)
        .id;
  };
  const std::vector<float> vector(kIndividuals, 1);
  const std::string stranger = Encoded(Photo(20, false)), seen_again = Encoded(Photo(20, true));
  ranked->UpsertPhotographs({Named("20a", "whale20")}, vector, {{{.image = stranger}}});
  EXPECT_EQ(first_for(seen_again), "20a");
  // In the place of what was known: of another individual, then of nobody knows whom.
  ranked->UpsertPhotographs({Named("3a", "whale3")}, vector, {{{.image = seen_again}}});
  EXPECT_EQ(first_for(seen_again), "3a");
  ranked->Upsert({Named("3a", "whale3")}, vector);
  EXPECT_EQ(first_for(seen_again), "20a");
  // Refused: all is as it was.
  ExpectError(absl::StatusCode::kInvalidArgument, {"3 values"}, [&] {
    ranked->UpsertPhotographs({Named("4a", "whale4")}, std::vector<float>(3, 1),
                              {{{.image = seen_again}}});
  });
  EXPECT_EQ(first_for(seen_again), "20a");
  EXPECT_EQ(first_for(Encoded(Photo(4, false))), "4a");
  ExpectError(absl::StatusCode::kInvalidArgument, {"'odd'"}, [&] {
    ranked->UpsertPhotographs({Named("odd", "")}, vector, {{{.image = "no photograph"}}});
  });
  EXPECT_FALSE(ranked->Current()->FindItem("odd"));
  ranked->Update({Named("20a", "whale21")});
  EXPECT_EQ(LocalIndex(folder_.path()).item(kPhotos).identity, "whale21");
  EXPECT_EQ(ranked->Remove({"20a"}), 1);
  EXPECT_FALSE(LocalIndex(folder_.path()).FindPhoto("20a"));
  ranked->Compact();
  EXPECT_EQ(ReadLocalManifest(folder_.path()).photos, kPhotos - 1);
  EXPECT_EQ(first_for(Encoded(Photo(5, true))), "5b");
}

TEST_F(LocalEvidenceStep, BeginsWithNoneBesideAnIndexWithoutItems) {
  const auto folder = folder_.path() / "new";
  CreateIndex(folder, {.factory = "Flat", .metric = "cosine", .dimension = 2, .fingerprint = ""})
      ->Commit();
  WriteBytes(folder_.path() / "pipeline.yaml", kByLocal);
  const auto ranked =
      ranking::RankLiveWith(ranking::LoadPipeline(folder_.path() / "pipeline.yaml"),
                            OpenLiveIndex(folder, {.compact_after_rows = -1}), folder);
  const std::string image = Encoded(Photo(1, false)), other = Encoded(Photo(2, false));
  const std::vector<float> vectors = {1, 0, 1, 0};
  ranked->UpsertPhotographs({Named("one", ""), Named("two", "")}, vectors,
                            {{{.image = image}, {.image = other}}});
  const std::string turned = Encoded(Photo(2, true));
  const std::vector<QueryPhotograph> photographs = {{.image = turned}};
  const auto current = ranked->Current();
  const auto found =
      current->SearchPhotographs(std::vector<float>{1, 0}, {.k = 2}, {}, photographs);
  EXPECT_EQ(current->item(found[0][0].row).id, "two");
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
