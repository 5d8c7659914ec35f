// Thresholds, shares and probabilities, each calculated by hand.
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/retrieval/calibrator.h"
#include "tests/serve/circle_gallery.h"

namespace fluke::serve {
namespace {

using std::chrono::seconds;

CalibrationTrial Right(int64_t individual, float best, float other) {
  return {.individual = individual,
          .best_score = best,
          .best_is_right = true,
          .best_other_score = other};
}

CalibrationTrial Wrong(int64_t individual, float best) {
  return {.individual = individual,
          .best_score = best,
          .best_is_right = false,
          .best_other_score = best};
}

TEST(FitCalibration, PutsTheThresholdIntoTheMiddleBetweenKnownAndNew) {
  const auto calibration = FitCalibration(
      {Right(0, .9f, .1f), Right(1, .8f, .2f), Right(2, .75f, .3f), Right(3, .7f, .4f)});
  EXPECT_FLOAT_EQ(calibration.threshold, .55f);
  EXPECT_EQ(calibration.photographs, 4);
  EXPECT_EQ(calibration.known_recognised, 1);
  EXPECT_EQ(calibration.new_recognised, 1);
}

TEST(FitCalibration, TakesTheWiderGapOfTwoThatDoEquallyWell) {
  // Above .6: .9 and .8 are known, all three are new. Between .2 and .5: all three are known, .2
  // and .1 are new. Both are five of six.
  const auto calibration =
      FitCalibration({Right(0, .9f, .6f), Right(1, .8f, .2f), Right(2, .5f, .1f)});
  EXPECT_FLOAT_EQ(calibration.threshold, .35f);
}

TEST(FitCalibration, ABestScoreOfTheWrongIndividualCountsForNobody) {
  // Between .2 and .8: two of three known, two of three new. Above .95 only the new: three.
  const auto calibration = FitCalibration({Right(0, .9f, .1f), Right(1, .8f, .2f), Wrong(2, .95f)});
  EXPECT_FLOAT_EQ(calibration.threshold, .5f);
}

TEST(FitCalibration, StatesSharesOfIndividualsThatTheThresholdWasNotFittedTo) {
  // The threshold of individual 0 alone is (.6 + .4) / 2, that of 1 alone (.9 + .7) / 2: the one
  // finds 1's .9 known, but its .7 not new; the other 0's .4 new, but its .6 not known.
  const auto calibration = FitCalibration({Right(0, .6f, .4f), Right(1, .9f, .7f)});
  EXPECT_EQ(calibration.known_recognised, .5);
  EXPECT_EQ(calibration.new_recognised, .5);
}

TEST(FitCalibration, GivesTheShareOfRightOnesAtAScoreAndIsNeverCertain) {
  // Outcomes: .1 and .2 wrong, .8 and .9 right, and imagined ones, .1 right and .9 wrong. Pooled
  // until they rise: one of three up to .2, two of three from .8.
  const auto calibration = FitCalibration({Right(0, .9f, .1f), Right(1, .8f, .2f)});
  EXPECT_DOUBLE_EQ(calibration.ProbabilityAt(-1), 1 / 3.0);
  EXPECT_DOUBLE_EQ(calibration.ProbabilityAt(.15f), 1 / 3.0);
  EXPECT_DOUBLE_EQ(calibration.ProbabilityAt(.2f), 1 / 3.0);
  EXPECT_NEAR(calibration.ProbabilityAt(.5f), .5, 1e-6);  // half way between them
  EXPECT_DOUBLE_EQ(calibration.ProbabilityAt(.85f), 2 / 3.0);
  EXPECT_DOUBLE_EQ(calibration.ProbabilityAt(1), 2 / 3.0);
}

TEST(FitCalibration, AHigherScoreIsNeverLessLikely) {
  std::vector<CalibrationTrial> trials;
  for (int i = 0; i < 100; ++i) {
    const float score = static_cast<float>((i * 37) % 100) / 100;
    trials.push_back(i % 3 == 0 ? Wrong(i, score) : Right(i, score, score / 2));
  }
  const auto calibration = FitCalibration(trials);
  for (int i = -10; i < 120; ++i) {
    const float score = static_cast<float>(i) / 100;
    EXPECT_LE(calibration.ProbabilityAt(score), calibration.ProbabilityAt(score + .01f)) << score;
    EXPECT_GT(calibration.ProbabilityAt(score), 0);
    EXPECT_LT(calibration.ProbabilityAt(score), 1);
  }
}

constexpr auto kNever = [] { return false; };

TEST(Calibrate, TriesPhotographsWithThemselvesLeftOut) {
  const auto calibration = Calibrate(*CircleGallery(), {}, kNever);
  ASSERT_TRUE(calibration.has_value());
  EXPECT_EQ(calibration->photographs, 40);
  // The other photograph of each lies 2 degrees away, the nearest other individual 16.
  EXPECT_NEAR(calibration->threshold, (CosineOfDegrees(2) + CosineOfDegrees(16)) / 2, 1e-6);
  EXPECT_EQ(calibration->known_recognised, 1);
  EXPECT_EQ(calibration->new_recognised, 1);
  EXPECT_EQ(calibration->snapshot, 7);
  // 40 right, 40 wrong, and one imagined trial against each.
  EXPECT_NEAR(calibration->ProbabilityAt(1), 40 / 41.0, 1e-9);
  EXPECT_NEAR(calibration->ProbabilityAt(0), 1 / 41.0, 1e-9);
}

TEST(Calibrate, NeitherUnknownPhotographsNorSingleOnesAreTried) {
  auto gallery = CircleGallery();
  gallery = gallery->With({"unknown", "", "", {}}, AtDegrees(0));
  gallery = gallery->With({"single", "Single", "", {}}, AtDegrees(9));  // 8 from i0 and i1
  const auto calibration = Calibrate(*gallery, {}, kNever);
  EXPECT_EQ(calibration->photographs, 40);
  // But the single one may be found.
  EXPECT_NEAR(calibration->threshold, (CosineOfDegrees(2) + CosineOfDegrees(8)) / 2, 1e-6);
}

TEST(Calibrate, NeedsTwentyIndividuals) {
  EXPECT_FALSE(Calibrate(*CircleGallery(19), {}, kNever).has_value());
  const auto with_single = CircleGallery(19)->With({"single", "Single", "", {}}, {0, 0, 1});
  EXPECT_FALSE(Calibrate(*with_single, {}, kNever).has_value());
}

TEST(Calibrate, TriesASampleThatDependsOnTheSeedAlone) {
  const auto gallery = CircleGallery(100);  // five times around: some lie on one another
  const CalibrationOptions few{.max_photographs = 10};
  const auto first = Calibrate(*gallery, few, kNever);
  EXPECT_EQ(first->photographs, 10);
  const auto second = Calibrate(*gallery, few, kNever);
  EXPECT_EQ(first->threshold, second->threshold);
  EXPECT_EQ(first->known_recognised, second->known_recognised);
}

TEST(Calibrate, StopsWhenItsTimeIsOverWithWhatItHas) {
  const auto calibration = Calibrate(*CircleGallery(), {.max_seconds = 0}, kNever);
  EXPECT_EQ(calibration->photographs, 32);  // one search's
}

TEST(Calibrate, StopsWhenItIsCancelled) {
  try {
    Calibrate(*CircleGallery(), {}, [] { return true; });
    FAIL() << "it went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), absl::StatusCode::kCancelled);
  }
}

// Asks of a collection that has another version each time, as one that is changed does.
class CalibratorTest : public ::testing::Test {
 protected:
  ~CalibratorTest() override { gallery_->gate.Open(); }

  std::future<Calibrator::Made> Ask(std::shared_ptr<FakeIndex> gallery) {
    auto promise = std::make_shared<std::promise<Calibrator::Made>>();
    calibrator_.Find(collection_, MakeServedVersion(std::move(gallery), nullptr),
                     [promise](Calibrator::Made made) { promise->set_value(std::move(made)); });
    return promise->get_future();
  }

  std::shared_ptr<FakeIndex> gallery_ = CircleGallery();
  std::shared_ptr<const ServedIndex> collection_ =
      std::make_shared<const ServedIndex>(std::shared_ptr<const VectorIndex>(gallery_), nullptr);
  Calibrator calibrator_;
};

TEST_F(CalibratorTest, MakesOneForAllWhoAskAndKeepsIt) {
  gallery_->gate.Close();
  auto first = Ask(gallery_);
  gallery_->gate.AwaitWaiting(1);
  auto second = Ask(gallery_);
  EXPECT_EQ(second.wait_for(seconds(0)), std::future_status::timeout);
  gallery_->gate.Open();
  const auto made = *first.get();
  EXPECT_EQ(made->photographs, 40);
  EXPECT_EQ(*second.get(), made);
  auto third = Ask(gallery_);
  ASSERT_EQ(third.wait_for(seconds(0)), std::future_status::ready);
  EXPECT_EQ(*third.get(), made);
  EXPECT_EQ(gallery_->calls, 2);  // 32 photographs and 8
}

TEST_F(CalibratorTest, MakesAnotherWhenTheGalleryHasChangedByMoreThanATenth) {
  const auto made = *Ask(gallery_).get();
  auto grown = gallery_;
  for (int i = 0; i < 4; ++i)
    grown = grown->With({"new" + std::to_string(i), "", "", {}}, {0, 0, 1});
  EXPECT_EQ(*Ask(grown).get(), made);  // 44 of 40
  EXPECT_EQ(grown->calls, 0);
  grown = grown->With({"another", "", "", {}}, {0, 0, 1});
  EXPECT_EQ(*Ask(grown).get(), made);  // until there is another
  for (;;) {
    const auto next = *Ask(grown).get();
    if (next != made) break;
    std::this_thread::yield();
  }
  EXPECT_EQ(grown->calls, 2);
}

TEST_F(CalibratorTest, AGalleryThatWasTooSmallIsTriedAgainWhenItHasGrown) {
  EXPECT_EQ(*Ask(CircleGallery(15)).get(), nullptr);
  EXPECT_NE(*Ask(gallery_).get(), nullptr);
}

TEST_F(CalibratorTest, AFailureIsToldAndNotKept) {
  std::atomic<bool> fails = true;
  gallery_->fault = [&](std::span<const float>) {
    if (fails) Throw(absl::StatusCode::kUnavailable, "the disk is asleep");
  };
  EXPECT_EQ(Ask(gallery_).get().status().code(), absl::StatusCode::kUnavailable);
  fails = false;
  EXPECT_TRUE(Ask(gallery_).get().ok());
}

TEST_F(CalibratorTest, StoppedTellsThoseWhoWait) {
  gallery_->gate.Close();
  auto waiting = Ask(gallery_);
  gallery_->gate.AwaitWaiting(1);
  calibrator_.Stop();
  gallery_->gate.Open();
  EXPECT_EQ(waiting.get().status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace fluke::serve
