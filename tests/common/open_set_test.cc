#include "common/metrics/open_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/metrics/calibration.h"
#include "common/metrics/verification.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using testing::HasSubstr;

// Known a (three queries), b (two), c (one); new d (two) and e (one).
const std::vector<Identification> kQueries = {
    {.identity = 0, .is_known = true, .predicted = 0, .score = .9f},
    {.identity = 0, .is_known = true, .predicted = 1, .score = .6f},
    {.identity = 0, .is_known = true, .predicted = 0, .score = .5f},
    {.identity = 1, .is_known = true, .predicted = 1, .score = .8f},
    {.identity = 1, .is_known = true, .predicted = -1, .score = .3f},
    {.identity = 2, .is_known = true, .predicted = 2, .score = .7f},
    {.identity = 3, .is_known = false, .predicted = 0, .score = .4f},
    {.identity = 3, .is_known = false, .predicted = 1, .score = .75f},
    {.identity = 4, .is_known = false, .predicted = 2, .score = .2f},
};

TEST(OpenSet, EveryIndividualWeighsTheSameInBaksAndBaus) {
  const OpenSetAccuracy all = BalancedAccuracies(kQueries, 0);
  // scikit-learn 1.9.1, balanced_accuracy_score(a a a b b c, a b a b x c); nobody is called new.
  EXPECT_NEAR(all.baks, 0.7222222222222222, 1e-12);
  EXPECT_EQ(all.baus, 0);
  EXPECT_EQ(all.known_individuals, 3);
  EXPECT_EQ(all.new_individuals, 2);
  // At .55: a 1/3, b 1/2, c 1; d 1/2, e 1.
  const OpenSetAccuracy some = BalancedAccuracies(kQueries, .55f);
  EXPECT_NEAR(some.baks, (1.0 / 3 + 1.0 / 2 + 1) / 3, 1e-12);
  EXPECT_NEAR(some.baus, (1.0 / 2 + 1) / 2, 1e-12);
}

TEST(OpenSet, TheThresholdIsTheBestOfAll) {
  for (const ThresholdGoal& goal : ThresholdGoals()) {
    const ThresholdChoice choice = ChooseThreshold(kQueries, goal);
    double best = 0;
    for (const float threshold : {0.f, .25f, .35f, .45f, .55f, .65f, .72f, .77f, .85f, .95f}) {
      const OpenSetAccuracy at = BalancedAccuracies(kQueries, threshold);
      best = std::max(best, goal.value(at.baks, at.baus));
    }
    EXPECT_DOUBLE_EQ(choice.goal, best) << goal.name;
    EXPECT_DOUBLE_EQ(goal.value(choice.accuracy.baks, choice.accuracy.baus), best);
  }
  // Between .4 and .5: all that is right is still accepted, d's first and e are new:
  // sqrt(.7222 * .75).
  EXPECT_FLOAT_EQ(ChooseThreshold(kQueries, ThresholdGoals()[0]).threshold, .45f);
}

TEST(OpenSet, DirIsTakenWhereTheFalseAlarmsAreFewEnough) {
  // New ones score .75, .4, .2. One of three may pass: the threshold is just above .4, where a's
  // .9 and .5, b's .8 and c's .7 are right of six.
  const OpenSetPoint third = DirAtFar(kQueries, 1.0 / 3);
  EXPECT_NEAR(third.dir, 4.0 / 6, 1e-12);
  EXPECT_NEAR(third.far, 1.0 / 3, 1e-12);
  EXPECT_GT(third.threshold, .4f);
  // None may: above .75, .9 and .8 are left.
  EXPECT_NEAR(DirAtFar(kQueries, 0).dir, 2.0 / 6, 1e-12);
  EXPECT_NEAR(DirAtFar(kQueries, .3).dir, 2.0 / 6, 1e-12);
  EXPECT_NEAR(DirAtFar(kQueries, 1).dir, 4.0 / 6, 1e-12);
  EXPECT_THAT(ErrorOf([] { DirAtFar(kQueries, 2); }).what(), HasSubstr("expected 0 to 1"));
}

TEST(OpenSet, GapRanksAllQueriesByConfidence) {
  // Falling scores: .9 right, .8 right, .75 new, .7 right, .6 wrong, .5 right, (.3 predicts
  // nobody), .4 and .2 new; six queries of known individuals.
  EXPECT_NEAR(GlobalAveragePrecision(kQueries), (1 + 1 + 3.0 / 4 + 4.0 / 6) / 6, 1e-12);
}

TEST(Verification, AurocAgreesWithScikitLearn) {
  const std::vector<float> known = {.9f, .8f, .8f, .3f, .55f, .71f};
  const std::vector<float> fresh = {.8f, .2f, .4f, .55f, .1f};
  // scikit-learn 1.9.1, roc_auc_score
  EXPECT_NEAR(Auroc(known, fresh), 0.7833333333333333, 1e-12);
  EXPECT_EQ(Auroc(known, {}), .5);
}

TEST(Verification, FnmrIsTakenAtTheLowestThresholdThatTheFmrAllows) {
  const std::vector<float> same = {.95f, .9f, .7f, .4f};
  const std::vector<float> different = {.8f, .6f, .6f, .3f, .2f, .1f, 0.f, 0.f, 0.f, 0.f};
  // One of ten may pass, so that .6 must not: .4 alone of the same is refused.
  const VerificationPoint tenth = FnmrAtFmr(same, different, .1);
  EXPECT_DOUBLE_EQ(tenth.fnmr, .25);
  EXPECT_DOUBLE_EQ(tenth.fmr, .1);
  // Two may, but the two at .6 come together: the same threshold.
  EXPECT_DOUBLE_EQ(FnmrAtFmr(same, different, .2).fnmr, .25);
  EXPECT_DOUBLE_EQ(FnmrAtFmr(same, different, .3).fnmr, 0);
  EXPECT_DOUBLE_EQ(FnmrAtFmr(same, different, 0).fnmr, .5);
  EXPECT_DOUBLE_EQ(FnmrAtFmr(same, different, 1).fnmr, 0);
  EXPECT_THAT(ErrorOf([&] { FnmrAtFmr(same, {}, .1); }).what(), HasSubstr("found 4 of the same"));
}

TEST(Verification, EqualErrorRateIsWhereBothErrorsMeet) {
  // At .7: one of four same pairs is refused, one of four different ones accepted.
  const std::vector<float> same = {.95f, .9f, .7f, .4f}, different = {.8f, .6f, .3f, .2f};
  EXPECT_DOUBLE_EQ(EqualErrorRate(same, different), .25);
}

TEST(Calibration, EceWeighsTheGapsOfItsBins) {
  const std::vector<float> confidences = {.95f, .85f, .61f, .58f, .38f, .05f, .3f, 0};
  const std::vector<bool> right = {true, true, false, true, false, false, true, false};
  // Bins of .2, (count, accuracy, confidence): (2, 0, .025), (2, .5, .34), (1, 1, .58), (1, 0,
  // .61), (2, 1, .9): (2 * .025 + 2 * .16 + .42 + .61 + 2 * .1) / 8 = .2
  const Calibration calibration = MeasureCalibration(confidences, right, 5);
  EXPECT_NEAR(calibration.ece, .2, 1e-6);
  EXPECT_NEAR(calibration.mce, .61, 1e-6);
  EXPECT_EQ(calibration.bins[4].count, 2);
  EXPECT_THAT(ErrorOf([] { MeasureCalibration(std::vector<float>{1.5f}, {true}); }).what(),
              HasSubstr("confidence 0 is 1.5"));
}

}  // namespace
}  // namespace fluke
