#include "index/local/score_calibration.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using testing::ExpectError;

const std::vector<ScoredPair> kPairs = {{.1, false}, {.2, false}, {.2, true},  {.3, false},
                                        {.4, false}, {.5, true},  {.6, false}, {.7, true},
                                        {.8, true},  {.9, true}};

// scikit-learn 1.9.1, IsotonicRegression(out_of_bounds='clip').
TEST(IsotonicCalibration, IsThatOfScikitLearn) {
  const ScoreCalibration calibration = FitIsotonic(kPairs);
  const std::vector<ScoreCalibration::Point> points = {{.1, 0},  {.2, .25}, {.4, .25}, {.5, .5},
                                                       {.6, .5}, {.7, 1},   {.9, 1}};
  ASSERT_EQ(calibration.points.size(), points.size());
  for (size_t i = 0; i < points.size(); ++i) {
    EXPECT_NEAR(calibration.points[i].score, points[i].score, 1e-12);
    EXPECT_NEAR(calibration.points[i].probability, points[i].probability, 1e-12);
  }
  const std::vector<double> scores = {0, .1, .15, .25, .35, .45, .55, .65, .75, .95};
  const std::vector<double> predicted = {0, 0, .125, .25, .25, .375, .5, .75, 1, 1};
  for (size_t i = 0; i < scores.size(); ++i) {
    EXPECT_NEAR(calibration.Probability(scores[i]), predicted[i], 1e-12) << scores[i];
  }
}

// SciPy's BFGS on the same likelihood with Platt's targets: slope 3.50554471, offset -1.63657531.
TEST(LogisticCalibration, IsTheMaximumOfPlattsLikelihood) {
  const ScoreCalibration calibration = FitLogistic(kPairs);
  EXPECT_NEAR(calibration.slope, 3.50554471, 1e-5);
  EXPECT_NEAR(calibration.offset, -1.63657531, 1e-5);
  EXPECT_NEAR(calibration.Probability(.5), 1 / (1 + std::exp(-(3.50554471 * .5 - 1.63657531))),
              1e-6);
}

TEST(LogisticCalibration, StaysFiniteWhereTheKindsAreApart) {
  // Platt's targets keep the slope finite: 1/4 and 3/4 at the scores 0 and 1, so that slope and
  // offset solve offset = log(1/3), slope + offset = log(3).
  const std::vector<ScoredPair> apart = {{0, false}, {0, false}, {1, true}, {1, true}};
  const ScoreCalibration calibration = FitLogistic(apart);
  EXPECT_NEAR(calibration.offset, std::log(1. / 3), 1e-5);
  EXPECT_NEAR(calibration.slope, 2 * std::log(3), 1e-5);
}

TEST(LogisticCalibration, DoesNotTurnTheOrderRound) {
  const std::vector<ScoredPair> wrong = {{0, true}, {1, false}, {.1, true}, {.8, false}};
  EXPECT_EQ(FitLogistic(wrong).slope, 0);
}

TEST(Calibration, NeedsPairsOfBothKinds) {
  const std::vector<ScoredPair> one_kind = {{.1, true}, {.3, true}};
  const std::vector<ScoredPair> not_finite = {{.1, true},
                                              {std::numeric_limits<double>::quiet_NaN(), false}};
  for (const CalibrationMethod& method : CalibrationMethods()) {
    ExpectError(absl::StatusCode::kInvalidArgument, {"2 pairs", "0 of different"},
                [&] { method.fit(one_kind); });
    ExpectError(absl::StatusCode::kInvalidArgument, {"0 pairs"}, [&] { method.fit({}); });
    ExpectError(absl::StatusCode::kInvalidArgument, {"not finite"},
                [&] { method.fit(not_finite); });
  }
}

TEST(Calibration, IsWrittenAndReadBackTheSame) {
  for (const CalibrationMethod& method : CalibrationMethods()) {
    const ScoreCalibration calibration = method.fit(kPairs);
    EXPECT_EQ(CalibrationFromJson(nlohmann::json::parse(CalibrationToJson(calibration).dump())),
              calibration);
  }
}

}  // namespace
}  // namespace fluke
