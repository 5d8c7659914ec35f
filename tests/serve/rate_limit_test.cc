// Token buckets, with a clock that stands still until a test moves it.
#include "serve/access/rate_limit.h"

#include <gtest/gtest.h>

namespace fluke::serve {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RateLimit : public ::testing::Test {
 protected:
  RateLimiter::Clock Clock() {
    return [this] { return now_; };
  }
  int TakenAtOnce(RateLimiter& limiter, const std::string& caller, const Rate& rate) {
    int taken = 0;
    while (taken < 1000 && limiter.Take(caller, rate).count() == 0) ++taken;
    return taken;
  }
  std::chrono::steady_clock::time_point now_{std::chrono::hours(1)};
  RateLimiter limiter_{100, Clock()};
};

TEST_F(RateLimit, ABurstMayComeAtOnceAndThenAsManyAsTheRateGives) {
  const Rate rate{.per_second = 2, .burst = 5};
  EXPECT_EQ(TakenAtOnce(limiter_, "a", rate), 5);
  now_ += milliseconds(499);
  EXPECT_EQ(TakenAtOnce(limiter_, "a", rate), 0);
  now_ += milliseconds(1);
  EXPECT_EQ(TakenAtOnce(limiter_, "a", rate), 1);
  now_ += seconds(2);
  EXPECT_EQ(TakenAtOnce(limiter_, "a", rate), 4);
}

TEST_F(RateLimit, ALongPauseGivesNoMoreThanTheBurst) {
  const Rate rate{.per_second = 10, .burst = 3};
  EXPECT_EQ(TakenAtOnce(limiter_, "a", rate), 3);
  now_ += std::chrono::hours(24);
  EXPECT_EQ(TakenAtOnce(limiter_, "a", rate), 3);
}

TEST_F(RateLimit, SaysHowLongToWait) {
  const Rate rate{.per_second = 4, .burst = 1};
  EXPECT_EQ(limiter_.Take("a", rate), milliseconds(0));
  EXPECT_EQ(limiter_.Take("a", rate), milliseconds(250));
  now_ += milliseconds(100);
  EXPECT_EQ(limiter_.Take("a", rate), milliseconds(150));
  now_ += milliseconds(150);
  EXPECT_EQ(limiter_.Take("a", rate), milliseconds(0));
}

TEST_F(RateLimit, WithoutABurstItIsOneSecondsAndNeverLessThanOne) {
  EXPECT_EQ(TakenAtOnce(limiter_, "a", {.per_second = 7}), 7);
  EXPECT_EQ(TakenAtOnce(limiter_, "b", {.per_second = 0.1}), 1);
  EXPECT_EQ(limiter_.Take("b", {.per_second = 0.1}), seconds(10));
}

TEST_F(RateLimit, CallersHaveBucketsOfTheirOwn) {
  const Rate rate{.per_second = 1, .burst = 2};
  EXPECT_EQ(TakenAtOnce(limiter_, "a", rate), 2);
  EXPECT_EQ(TakenAtOnce(limiter_, "b", rate), 2);
}

TEST_F(RateLimit, NoRateIsNoLimitAndKeepsNothing) {
  EXPECT_EQ(TakenAtOnce(limiter_, "a", {}), 1000);
  EXPECT_EQ(limiter_.callers(), 0u);
}

TEST_F(RateLimit, AMillionCallersTakeTheRoomOfAHundredAndTheLastSeenAreRemembered) {
  const Rate rate{.per_second = 1, .burst = 1};
  EXPECT_EQ(limiter_.Take("regular", rate).count(), 0);
  for (int i = 0; i < 1'000'000; ++i) {
    limiter_.Take(std::to_string(i), rate);
    if (i % 50 == 0) {
      EXPECT_GT(limiter_.Take("regular", rate).count(), 0) << i;
    }
  }
  EXPECT_EQ(limiter_.callers(), 100u);
}

TEST_F(RateLimit, AClockThatGoesBackTakesNothingAway) {
  const Rate rate{.per_second = 1, .burst = 2};
  EXPECT_EQ(limiter_.Take("a", rate).count(), 0);
  now_ -= seconds(100);
  EXPECT_EQ(limiter_.Take("a", rate).count(), 0);
}

}  // namespace
}  // namespace fluke::serve
