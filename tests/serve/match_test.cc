// Which regions of two photographs match, asked over gRPC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using ::testing::HasSubstr;

class MatchCalls : public ::testing::Test {
 protected:
  MatchCalls() { running_.index->matches_regions = true; }

  grpc::Status Match(const v1::MatchRequest& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    response_.Clear();
    return running_.stub->Match(&context, request, &response_);
  }
  void ExpectRefused(const v1::MatchRequest& request, grpc::StatusCode code,
                     const std::string& said) {
    const grpc::Status status = Match(request);
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(said));
  }

  RunningServer running_;
  v1::MatchResponse response_;
};

v1::MatchRequest MatchesOf(const std::string& item) {
  v1::MatchRequest request;
  request.set_item_id(item);
  request.add_ids("up");
  request.add_ids("east");
  return request;
}

TEST_F(MatchCalls, AnItemIsComparedWithOthersAndNotWithItself) {
  ASSERT_TRUE(Match(MatchesOf("north")).ok());
  EXPECT_EQ(running_.index->last_item_id(), "north");
  EXPECT_EQ(running_.index->last_without(), 0);
  ASSERT_EQ(response_.items_size(), 2);
  EXPECT_FLOAT_EQ(response_.items(0).regions(0).weight(), 2);  // up is row 2
  EXPECT_FLOAT_EQ(response_.items(1).regions(0).weight(), 1);
  EXPECT_FLOAT_EQ(response_.items(0).regions(0).query().y(), .2f);
  EXPECT_FLOAT_EQ(response_.items(0).regions(0).item().diameter(), .6f);
}

TEST_F(MatchCalls, APhotographIsComparedAsItIsCropped) {
  v1::MatchRequest request;
  request.set_image(RedPng());
  request.mutable_crop()->set_w(4);
  request.mutable_crop()->set_h(5);
  request.add_ids("up");
  request.set_exclude_id("northeast");
  ASSERT_TRUE(Match(request).ok());
  EXPECT_EQ(running_.index->last_image(), RedPng());
  EXPECT_FLOAT_EQ(running_.index->last_crop()->h, 5);
  EXPECT_EQ(running_.index->last_without(), 3);
  request.mutable_crop()->set_w(-1);
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "is empty");
}

TEST_F(MatchCalls, WhatCannotBeComparedIsNamed) {
  v1::MatchRequest request = MatchesOf("nobody");
  ExpectRefused(request, grpc::StatusCode::NOT_FOUND, "'nobody'");
  request = MatchesOf("north");
  request.add_ids("nowhere");
  ExpectRefused(request, grpc::StatusCode::NOT_FOUND, "'nowhere'");
  request = MatchesOf("north");
  request.mutable_crop();
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "crop");
  request = MatchesOf("north");
  request.set_exclude_id("up");
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "exclude_id");
  for (int i = 0; i < 200; ++i) request.add_ids("up");
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "202 ids");
  ExpectRefused({}, grpc::StatusCode::INVALID_ARGUMENT, "image or an item_id");
  request.Clear();
  request.set_image("no image");
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "query image");
}

TEST(Match, IsRefusedWhereVectorsAloneRank) {
  RunningServer running;
  grpc::ClientContext context;
  v1::MatchResponse response;
  const grpc::Status status = running.stub->Match(&context, MatchesOf("north"), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("local evidence"));
}

TEST(Match, APhotographOfTooManyPixelsIsRefused) {
  v1::ServeConfig config = LoopbackConfig();
  config.set_max_image_pixels(1000000);
  RunningServer running(config);
  running.index->matches_regions = true;
  v1::MatchRequest request;
  request.set_image(PngOf({0, 0, 0}, {0, 0, 0}, 1100, 1000));
  grpc::ClientContext context;
  v1::MatchResponse response;
  const grpc::Status status = running.stub->Match(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
}

}  // namespace
}  // namespace fluke::serve
