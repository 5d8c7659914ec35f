// What a caller may know of a failure.
#include "serve/status.h"

#include <atomic>
#include <filesystem>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/serve/logged_lines.h"
#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

absl::Status Thrown(absl::StatusCode code, const std::string& message) {
  return StatusOf(std::make_exception_ptr(Error(code, message)), "search");
}

TEST(Status, WhatTheCallerDidWrongIsTold) {
  LoggedLines lines;
  for (const auto code : {absl::StatusCode::kInvalidArgument, absl::StatusCode::kNotFound,
                          absl::StatusCode::kAlreadyExists, absl::StatusCode::kFailedPrecondition,
                          absl::StatusCode::kResourceExhausted, absl::StatusCode::kUnavailable}) {
    const grpc::Status status = ToGrpcStatus(Thrown(code, "k is 9, at most 5"), "r1");
    EXPECT_EQ(status.error_code(), static_cast<grpc::StatusCode>(code));
    EXPECT_EQ(status.error_message(), "k is 9, at most 5");
  }
  EXPECT_EQ(lines.Take(), "");
}

TEST(Status, TheServersFaultsAreToldInTheLogAloneAndNamedByTheRequest) {
  // Files' permissions are no business of a caller's rights.
  for (const auto code : {absl::StatusCode::kInternal, absl::StatusCode::kDataLoss,
                          absl::StatusCode::kUnknown, absl::StatusCode::kPermissionDenied,
                          absl::StatusCode::kUnauthenticated, absl::StatusCode::kAborted}) {
    LoggedLines lines;
    const absl::Status status = Thrown(code, "vectors.npy: CRC-32C is 1, expected 2");
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_EQ(ToGrpcStatus(status, "r1").error_message(),
              "search failed; the server's log says why (request r1)");
    EXPECT_EQ(FaultIn(status), "vectors.npy: CRC-32C is 1, expected 2");
    EXPECT_THAT(lines.Take(), HasSubstr("search failed: vectors.npy: CRC-32C is 1"));
  }
}

TEST(Status, APathOfTheServerIsToldWithNoCode) {
  LoggedLines lines;
  for (const std::string message :
       {"/srv/index: no space", "cannot write /srv/index/log: no space", "'/srv/x' is locked",
        "cannot open [/srv/x]", "path=/srv/x", "in \"/srv/x\"", "(/srv/x)", "file:///srv/x"}) {
    for (const auto code : {absl::StatusCode::kInvalidArgument, absl::StatusCode::kNotFound,
                            absl::StatusCode::kAlreadyExists, absl::StatusCode::kFailedPrecondition,
                            absl::StatusCode::kResourceExhausted, absl::StatusCode::kUnavailable,
                            absl::StatusCode::kDataLoss, absl::StatusCode::kInternal}) {
      const grpc::Status status = ToGrpcStatus(Thrown(code, message), "r1");
      EXPECT_THAT(status.error_message(), Not(HasSubstr("srv"))) << message;
    }
  }
  EXPECT_EQ(ToGrpcStatus(Thrown(absl::StatusCode::kResourceExhausted, "/srv/x: disk full"), "r1")
                .error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  // What is no path of the server's, though there are strokes in it.
  EXPECT_EQ(Thrown(absl::StatusCode::kNotFound, "no item 'north/a.jpg' at 3 images/s").message(),
            "no item 'north/a.jpg' at 3 images/s");
}

TEST(Status, AFaultThatNobodyCaughtIsHiddenToo) {
  LoggedLines lines;
  const grpc::Status status =
      ToGrpcStatus(absl::InternalError("cannot map /srv/index/vectors.npy"), "r1");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(status.error_message(), "the call failed; the server's log says why (request r1)");
  EXPECT_THAT(lines.Take(), HasSubstr("/srv/index/vectors.npy"));
}

TEST(Status, ExceptionsOfOthersAreFaults) {
  LoggedLines lines;
  const auto status_of = [](const std::exception_ptr& exception) {
    return ToGrpcStatus(StatusOf(exception, "decoding"), "r1");
  };
  for (const auto& exception :
       {std::make_exception_ptr(std::runtime_error("/srv/x")),
        std::make_exception_ptr(std::filesystem::filesystem_error(
            "cannot open", "/srv/x", std::make_error_code(std::errc::io_error))),
        std::make_exception_ptr(42)}) {
    EXPECT_EQ(status_of(exception).error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_EQ(status_of(exception).error_message(),
              "decoding failed; the server's log says why (request r1)");
  }
}

TEST(Status, APrefixKeepsWhatTheLogShallSay) {
  LoggedLines lines;
  const absl::Status status =
      WithPrefix("search 3", Thrown(absl::StatusCode::kInternal, "/srv/x is damaged"));
  EXPECT_EQ(FaultIn(status), "/srv/x is damaged");
  EXPECT_EQ(ToGrpcStatus(status, "r1").error_message(),
            "search 3: search failed; the server's log says why (request r1)");
  EXPECT_TRUE(WithPrefix("search 3", absl::OkStatus()).ok());
}

// Whatever an index says of its files, no call passes it on.
TEST(Faults, NoCallTellsOfTheServersFiles) {
  LoggedLines lines;
  std::atomic<absl::StatusCode> code = absl::StatusCode::kInternal;
  const auto index = std::make_shared<FakeIndex>();
  index->fault = [&](std::span<const float>) { Throw(code, "/srv/index/log: torn"); };
  const RunningServer running(LoopbackConfig(), /*with_model=*/true, index);
  for (int i = 1; i <= 16; ++i) {
    code = static_cast<absl::StatusCode>(i);
    const grpc::Status one = running.Search(VectorRequest({1, 0, 0})).status;
    EXPECT_FALSE(one.ok());
    EXPECT_THAT(one.error_message(), Not(HasSubstr("/srv"))) << i;
    v1::SearchBatchRequest batch;
    *batch.add_searches() = VectorRequest({1, 0, 0});
    v1::SearchBatchResponse response;
    grpc::ClientContext context;
    const grpc::Status many = running.stub->SearchBatch(&context, batch, &response);
    EXPECT_FALSE(many.ok());
    EXPECT_THAT(many.error_message(), Not(HasSubstr("/srv"))) << i;
  }
}

}  // namespace
}  // namespace fluke::serve
