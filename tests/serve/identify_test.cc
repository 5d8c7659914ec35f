// Who is this, or is it somebody new?
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/circle_gallery.h"
#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

// With the circle's twenty individuals, calibrated to (cos 2 + cos 16) / 2 = .980: see
// calibration_test.cc.
class Identify : public ::testing::Test {
 protected:
  grpc::Status Call(const v1::SearchRequest& search) {
    *request_.mutable_search() = search;
    return CallOf(running_);
  }
  grpc::Status CallOf(const RunningServer& running) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(30));
    response_.Clear();
    return running.stub->Identify(&context, request_, &response_);
  }

  RunningServer running_{LoopbackConfig(), /*with_model=*/true, CircleGallery()};
  v1::IdentifyRequest request_;
  v1::IdentifyResponse response_;
};

TEST_F(Identify, NamesTheNearestIndividualsAndHowLikelyTheyAre) {
  const grpc::Status status = Call(VectorRequest(AtDegrees(54.5)));  // i3 is at 53 and 55
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response_.candidates_size(), 5);
  EXPECT_FALSE(response_.is_new());
  const v1::Candidate& best = response_.candidates(0);
  EXPECT_EQ(best.identity(), "i3");
  EXPECT_EQ(best.best().id(), "i3b");
  EXPECT_NEAR(best.best().score(), CosineOfDegrees(.5), 1e-6);
  EXPECT_NEAR(best.probability(), 40 / 41.0, 1e-6);
  EXPECT_EQ(response_.candidates(1).identity(), "i4");  // at 71, 16.5 away
  // Only if it is not i3 (1 of 41), and then as little as such a score says (1 of 41).
  EXPECT_NEAR(response_.candidates(1).probability(), 1 / 41.0 / 41.0, 1e-6);
}

TEST_F(Identify, TellsTheCalibrationAndItsThreshold) {
  ASSERT_TRUE(Call(VectorRequest(AtDegrees(0))).ok());
  EXPECT_NEAR(response_.threshold(), (CosineOfDegrees(2) + CosineOfDegrees(16)) / 2, 1e-6);
  const v1::Calibration& calibration = response_.calibration();
  EXPECT_EQ(calibration.threshold(), response_.threshold());
  EXPECT_EQ(calibration.photographs(), 40);
  EXPECT_EQ(calibration.known_recognised(), 1);
  EXPECT_EQ(calibration.new_recognised(), 1);
  EXPECT_EQ(calibration.snapshot(), 7);
}

TEST_F(Identify, FindsSomebodyNewWhereNobodyIsNearEnough) {
  // 45 degrees above the circle.
  ASSERT_TRUE(Call(VectorRequest({std::sqrt(.5f), 0, std::sqrt(.5f)})).ok());
  EXPECT_TRUE(response_.is_new());
  EXPECT_EQ(response_.candidates(0).identity(), "i0");
  EXPECT_LT(response_.candidates(0).probability(), .03f);
}

TEST_F(Identify, TakesTheThresholdOfTheRequestAndTellsTheCalibratedOne) {
  request_.set_threshold(.5f);
  ASSERT_TRUE(Call(VectorRequest({.8f, 0, .6f})).ok());
  EXPECT_FALSE(response_.is_new());
  EXPECT_FLOAT_EQ(response_.threshold(), .5f);
  EXPECT_NEAR(response_.calibration().threshold(), .980, .001);
}

TEST_F(Identify, GivesAsManyCandidatesAsAreWanted) {
  request_.set_k(2);
  ASSERT_TRUE(Call(VectorRequest(AtDegrees(0))).ok());
  EXPECT_EQ(response_.candidates_size(), 2);
}

TEST_F(Identify, WhatIsShownDoesNotChangeWhetherItIsNew) {
  v1::SearchRequest search = VectorRequest(AtDegrees(54));
  search.set_min_score(.99f);
  ASSERT_TRUE(Call(search).ok());
  EXPECT_EQ(response_.candidates_size(), 1);
  search.set_min_score(2);
  ASSERT_TRUE(Call(search).ok());
  EXPECT_EQ(response_.candidates_size(), 0);
  EXPECT_FALSE(response_.is_new());
}

TEST_F(Identify, TakesAPhotographAndSeveralExamples) {
  ASSERT_TRUE(Call(ImageRequest(RedPng())).ok());  // (1, 0, 0)
  EXPECT_EQ(response_.candidates(0).identity(), "i0");
  v1::SearchRequest search;
  search.add_like()->set_item_id("i3a");
  search.add_like()->set_item_id("i3b");
  search.add_like()->set_item_id("i4a");
  ASSERT_TRUE(Call(search).ok());
  // Near 60 degrees without these three: 13 from i4b at 73, more from i2b at 37.
  EXPECT_EQ(response_.candidates(0).best().id(), "i4b");
  EXPECT_TRUE(response_.is_new());
}

TEST_F(Identify, LooksOnlyAmongWhatTheFilterLetsThrough) {
  v1::SearchRequest search = VectorRequest(AtDegrees(54));
  search.set_filter("identity != \"i3\"");
  ASSERT_TRUE(Call(search).ok());
  // i2 and i4, both 17 degrees away.
  EXPECT_NEAR(response_.candidates(0).best().score(), CosineOfDegrees(17), 1e-6);
  EXPECT_NEAR(response_.candidates(1).best().score(), CosineOfDegrees(17), 1e-6);
  EXPECT_TRUE(response_.is_new());
}

TEST_F(Identify, RefusesASearchThatSaysHowManyItself) {
  v1::SearchRequest search = VectorRequest(AtDegrees(0));
  search.set_k(3);
  EXPECT_EQ(Call(search).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  search.set_k(0);
  search.set_one_per_identity(true);
  EXPECT_EQ(Call(search).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  search.set_one_per_identity(false);
  request_.set_threshold(std::nanf(""));
  EXPECT_EQ(Call(search).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request_.clear_threshold();
  request_.set_k(5000);
  EXPECT_EQ(Call(search).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Call({}).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(Identify, CallsThatWaitForTheCalibrationHoldUpNobodyElse) {
  running_.index->gate.Close();
  std::vector<std::future<grpc::Status>> calls;
  for (int i = 0; i < 8; ++i) {
    calls.push_back(std::async(std::launch::async, [&] {
      v1::IdentifyRequest request;
      *request.mutable_search() = VectorRequest(AtDegrees(0));
      v1::IdentifyResponse response;
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + seconds(30));
      return running_.stub->Identify(&context, request, &response);
    }));
  }
  running_.index->gate.AwaitWaiting(1);  // the calibration
  // A look-up goes through, though its lane has fewer threads than calls wait.
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(10));
  v1::CountResponse count;
  EXPECT_TRUE(running_.stub->Count(&context, {}, &count).ok());
  running_.index->gate.Open();
  for (auto& call : calls) EXPECT_TRUE(call.get().ok());
}

TEST_F(Identify, AServerThatStopsEndsACallThatWaitsForTheCalibration) {
  running_.index->gate.Close();
  auto call = std::async(std::launch::async, [&] { return Call(VectorRequest(AtDegrees(0))); });
  running_.index->gate.AwaitWaiting(1);
  auto stop = std::async(std::launch::async, [&] { running_.server.Stop(milliseconds(50)); });
  EXPECT_FALSE(call.get().ok());
  running_.index->gate.Open();
  EXPECT_EQ(stop.wait_for(seconds(10)), std::future_status::ready);
}

// The fakes' own four items: Nora twice, Esther once, and "up", whom nobody knows.
TEST_F(Identify, ASmallGalleryNeedsAThreshold) {
  RunningServer small;
  *request_.mutable_search() = VectorRequest({0, .6f, .8f});
  grpc::Status status = CallOf(small);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("fewer than 20 individuals"));
  request_.set_threshold(.7f);
  status = CallOf(small);
  ASSERT_TRUE(status.ok()) << status.error_message();
  // Nearest is up, who is no candidate; then Esther with .6 and northeast with .48.
  ASSERT_EQ(response_.candidates_size(), 2);
  EXPECT_EQ(response_.candidates(0).identity(), "Esther");
  EXPECT_EQ(response_.candidates(0).probability(), 0);
  EXPECT_EQ(response_.candidates(1).best().id(), "northeast");
  EXPECT_TRUE(response_.is_new());
  EXPECT_FALSE(response_.has_calibration());
}

}  // namespace
}  // namespace fluke::serve
