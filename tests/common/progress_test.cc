#include "common/progress.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace fluke {
namespace {

const ProgressState kQuarter = {.label = "embed",
                                .unit = "images",
                                .note = "loss 3.21",
                                .done = 30,
                                .total = 120,
                                .elapsed_s = 2};

// 30 in 2 s are 15/s; the other 90 take 6 s.
TEST(Progress, ShowsRateAndTimeLeft) {
  EXPECT_EQ(PlainProgress(kQuarter), "embed 30/120 images, 15.0 images/s, ETA 0:06, loss 3.21");
  EXPECT_EQ(ProgressBar(kQuarter, 200, false),
            "embed  25% [#####...............] 30/120 images, 15.0 images/s, ETA 0:06, loss 3.21");
}

TEST(Progress, OfUnknownLengthShowsTheRateAlone) {
  ProgressState state = kQuarter;
  state.total = 0;
  EXPECT_EQ(PlainProgress(state), "embed 30 images, 15.0 images/s in 0:02, loss 3.21");
  EXPECT_EQ(ProgressBar(state, 200, true), PlainProgress(state));
}

TEST(Progress, LongTimesShowHours) {
  ProgressState state = {
      .label = "train", .unit = "steps", .note = "", .done = 1, .total = 3724, .elapsed_s = 1};
  EXPECT_EQ(PlainProgress(state), "train 1/3724 steps, 1.00 steps/s, ETA 1:02:03");
}

TEST(Progress, ABarIsCutToTheTerminalAndNotInsideALetter) {
  EXPECT_EQ(ProgressBar(kQuarter, 12, false), "embed  25% [");
  ProgressState state = kQuarter;
  state.label = "\xC3\xA9\xC3\xA9\xC3\xA9";  // three letters of two bytes
  EXPECT_EQ(ProgressBar(state, 2, false), "\xC3\xA9\xC3\xA9");
}

TEST(Progress, ColoursTheFullCellsOnly) {
  EXPECT_EQ(ProgressBar(kQuarter, 40, true),
            "embed  25% [\x1b[32m#####\x1b[0m...............] 30/120");
}

TEST(Progress, WithoutATerminalPrintsOnePlainLineForAShortJob) {
  testing::internal::CaptureStderr();
  {
    Progress progress("embed", 400);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 100; ++i) progress.Advance();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.rfind("embed 400/400 images, ", 0), 0u) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace fluke
