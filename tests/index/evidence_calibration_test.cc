#include "index/local/evidence_calibration.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/common/local_pictures.h"
#include "tests/index/fixtures.h"
#include "tests/index/local_gallery.h"

namespace fluke {
namespace {

using testing::ExpectError;
using testing::ReadBytes;
using testing::TestFolder;
using testing::WriteBytes;

ScoreCalibration Line(double low, double p_low, double high, double p_high) {
  return {.method = "isotonic",
          .points = {{.score = low, .probability = p_low}, {.score = high, .probability = p_high}}};
}

TEST(CombinedRanking, IsByTheMeanOfBothProbabilities) {
  // Cosines 0 to 1 read as they are; local scores 0 to 10 as .1 to .9, .08 a point.
  const EvidenceCalibration calibration{.fingerprint = "",
                                        .key_points = {},
                                        .queries = 1,
                                        .pairs = 2,
                                        .global = Line(0, 0, 1, 1),
                                        .local = Line(0, .1, 10, .9)};
  const std::vector<Neighbor> neighbors = {{.row = 4, .score = .9f},
                                           {.row = 7, .score = .5f},
                                           {.row = 2, .score = .5f},
                                           {.row = 9, .score = .2f}};
  // (.9 + .1)/2 = .5; (.5 + .9)/2 = .7 for 20, which is past the end; (.5 + .5)/2 = .5 for 5;
  // (.2 + .1)/2 = .15.
  const std::vector<double> local = {0, 20, 5, 0};
  const std::vector<Neighbor> ranking = CombinedRanking(neighbors, local, calibration);
  const std::vector<int64_t> rows = {7, 4, 2, 9};
  const std::vector<double> scores = {.7, .5, .5, .15};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(ranking[i].row, rows[i]);
    EXPECT_NEAR(ranking[i].score, scores[i], 1e-6);
  }
}

class EvidenceCalibrationTest : public testing::LocalGallery {};

TEST_F(EvidenceCalibrationTest, LearnsThatKeyPointsTellWhoItIs) {
  const LocalIndex local(folder_.path());
  const auto global = OpenIndex(folder_.path());
  for (const CalibrationMethod& method : CalibrationMethods()) {
    const EvidenceCalibration calibration = CalibrateEvidence(
        local, *global, {.method = std::string(method.name), .shortlist = kPhotos});
    EXPECT_EQ(calibration.queries, kPhotos);
    EXPECT_EQ(calibration.pairs, kPhotos * (kPhotos - 1));  // each with all others
    EXPECT_EQ(calibration.fingerprint, "model");
    // One of 15 others is the right one; key points find all of these, embeddings half.
    const LocalFeatures query = local.features(0);
    const std::vector<int64_t> pair = {1, 5};
    const std::vector<LocalHit> hits = local.Score(query, pair, {}, 0);
    EXPECT_GT(calibration.local.Probability(hits[0].score), .8);
    EXPECT_LT(calibration.local.Probability(hits[1].score), .1);
    EXPECT_LT(calibration.global.Probability(1), .8);
  }
}

TEST_F(EvidenceCalibrationTest, PutsTheRightOneFirstWhereTheEmbeddingIsWrong) {
  const LocalIndex local(folder_.path());
  const auto global = OpenIndex(folder_.path());
  const EvidenceCalibration calibration = CalibrateEvidence(local, *global, {.shortlist = kPhotos});
  const int64_t row = global->FindItem("3b").value();
  const std::vector<int64_t> without = {row};
  const auto neighbors = global->Search(global->vector(row), {.k = kPhotos}, without).at(0);
  EXPECT_NE(global->item(neighbors[0].row).identity, "whale3");
  const int64_t photo = local.FindPhoto("3b").value();
  const std::vector<double> scores =
      LocalScores(local, *global, local.features(photo), neighbors, {}, photo);
  EXPECT_EQ(global->item(CombinedRanking(neighbors, scores, calibration)[0].row).id, "3a");
}

TEST_F(EvidenceCalibrationTest, IsWrittenReadBackAndRefusedWhereDamagedOrOfAnotherKind) {
  const LocalIndex local(folder_.path());
  const auto global = OpenIndex(folder_.path());
  ExpectError(absl::StatusCode::kNotFound, {"index calibrate"},
              [&] { ReadEvidenceCalibration(folder_.path()); });
  EvidenceCalibration calibration = CalibrateEvidence(local, *global, {.shortlist = 10});
  WriteEvidenceCalibration(folder_.path(), calibration);
  EXPECT_EQ(ReadEvidenceCalibration(folder_.path()), calibration);
  CheckCalibrationFits(calibration, local.manifest(), global->Describe());

  const auto file = layout::CalibrationFile(folder_.path());
  std::string bytes = ReadBytes(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  WriteBytes(file, bytes);
  ExpectError(absl::StatusCode::kDataLoss, {"calibration.json"},
              [&] { ReadEvidenceCalibration(folder_.path()); });

  calibration.fingerprint = "another";
  ExpectError(absl::StatusCode::kFailedPrecondition, {"another", "model"},
              [&] { CheckCalibrationFits(calibration, local.manifest(), global->Describe()); });
  calibration.fingerprint = "";
  calibration.key_points.side_px = 300;
  ExpectError(absl::StatusCode::kFailedPrecondition, {"key point options"},
              [&] { CheckCalibrationFits(calibration, local.manifest(), global->Describe()); });
}

TEST_F(EvidenceCalibrationTest, NeedsIndividualsWithSeveralPhotographs) {
  const auto other = folder_.path() / "other";
  LocalWriter writer(other, options_);
  writer.Add({.id = "0a", .identity = "whale0", .path = "0a", .metadata = {}},
             ExtractKeyPoints(Blotches(200, 200, 0), options_));
  writer.Commit();
  ExpectError(absl::StatusCode::kInvalidArgument, {"two photographs"},
              [&] { CalibrateEvidence(LocalIndex(other), *OpenIndex(folder_.path()), {}); });
  ExpectError(absl::StatusCode::kInvalidArgument, {"unknown calibration method 'linear'"}, [&] {
    CalibrateEvidence(LocalIndex(folder_.path()), *OpenIndex(folder_.path()), {.method = "linear"});
  });
}

}  // namespace
}  // namespace fluke
