// What probes learn of a server.
#include "serve/client/health_client.h"

#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using std::chrono::seconds;

TEST(HealthProbe, AServerThatAnswersServes) {
  RunningServer running;
  EXPECT_TRUE(IsServing(running.server.address(), "", {.timeout = seconds(10)}));
  EXPECT_TRUE(IsServing(running.server.address(), "fluke.v1.Retrieval", {.timeout = seconds(10)}));
}

TEST(HealthProbe, AServiceThatTheServerDoesNotKnowIsNotFound) {
  RunningServer running;
  try {
    IsServing(running.server.address(), "fluke.v1.Nothing", {.timeout = seconds(10)});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), absl::StatusCode::kNotFound) << error.what();
  }
}

TEST(HealthProbe, AServerThatHasStoppedIsUnavailable) {
  RunningServer running;
  running.server.Stop(std::chrono::milliseconds(0));
  try {
    IsServing(running.server.address(), "", {.timeout = seconds(10)});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), absl::StatusCode::kUnavailable) << error.what();
  }
}

TEST(HealthProbe, ADrainingServerDoesNotServe) {
  RunningServer running;
  running.index->gate.Close();
  auto search = std::async(std::launch::async, [&] {
    return running.Search(VectorRequest({1, 0, 0}));
  });
  running.index->gate.AwaitWaiting(1);
  auto stop = std::async(std::launch::async, [&] { running.server.Stop(seconds(20)); });
  // The call under way keeps the server up; its health turns at the beginning of Stop.
  const auto give_up = std::chrono::steady_clock::now() + seconds(10);
  bool serving = true;
  while (serving && std::chrono::steady_clock::now() < give_up) {
    serving = IsServing(running.server.address(), "", {.timeout = seconds(10)});
  }
  EXPECT_FALSE(serving);
  running.index->gate.Open();
  EXPECT_TRUE(search.get().status.ok());
  stop.get();
}

}  // namespace
}  // namespace fluke::serve
