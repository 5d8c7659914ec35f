// How long a batch of searches waits for more.
#include "serve/pipeline/returning_callers.h"

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "serve/bounded_queue.h"

namespace fluke::serve {
namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;

TEST(ReturningCallers, AreWaitedForAsLongAsASearchTakes) {
  ReturningCallers callers(64, microseconds(2000));
  EXPECT_EQ(callers.Next().queries, 1u);  // nothing is known yet
  callers.Answered(16, 15, microseconds(700));
  const ReturningCallers::Wait wait = callers.Next();
  EXPECT_EQ(wait.queries, 31u);
  EXPECT_EQ(wait.at_most, microseconds(700));
  callers.Came(wait, 31);
  callers.Answered(60, 20, microseconds(9000));  // no more than a batch holds, no longer than told
  EXPECT_EQ(callers.Next().queries, 64u);
  EXPECT_EQ(callers.Next().at_most, microseconds(2000));
}

TEST(ReturningCallers, ASingleOneIsNeverHeldBack) {
  ReturningCallers callers(64, microseconds(2000));
  for (int i = 0; i < 3; ++i) {
    callers.Answered(1, 0, microseconds(300));
    EXPECT_EQ(callers.Next().queries, 1u);
  }
}

TEST(ReturningCallers, AreWaitedForLessOftenWhereTheyDoNotCome) {
  ReturningCallers callers(64, microseconds(2000));
  int waits = 0;
  for (int batch = 0; batch < 1000; ++batch) {
    const ReturningCallers::Wait wait = callers.Next();
    waits += wait.queries > 1;
    callers.Came(wait, 3);  // of eight
    callers.Answered(3, 5, microseconds(300));
  }
  EXPECT_GT(waits, 5);
  EXPECT_LT(waits, 25);
  // And again at once when they do.
  ReturningCallers::Wait wait = callers.Next();
  while (wait.queries == 1) wait = callers.Next();
  callers.Came(wait, 6);
  EXPECT_EQ(callers.Next().queries, 8u);
}

TEST(BoundedQueue, AwaitsSomeItemsButNotForEver) {
  BoundedQueue<int> queue(8, UINT64_MAX);
  std::jthread pusher([&] {
    for (int i = 0; i < 3; ++i) queue.TryPush(i);
  });
  EXPECT_EQ(queue.Await(3, std::chrono::minutes(1)), 3u);
  const auto begin = steady_clock::now();
  EXPECT_EQ(queue.Await(4, microseconds(2000)), 3u);
  EXPECT_GE(steady_clock::now() - begin, microseconds(2000));
  EXPECT_EQ(queue.PopBatch(8).size(), 3u);
  std::jthread closer([&] { queue.Close(); });
  EXPECT_EQ(queue.Await(2, std::chrono::minutes(1)), 0u);
}

TEST(BoundedQueue, WakesWhoPopsAfterAnAwaitThatEnded) {
  BoundedQueue<int> queue(8, UINT64_MAX);
  int item = 1;
  queue.TryPush(item);
  queue.Await(5, microseconds(100));
  EXPECT_EQ(queue.PopBatch(8).size(), 1u);
  std::jthread pusher([&] { queue.TryPush(item); });
  EXPECT_EQ(queue.PopBatch(8).size(), 1u);
}

}  // namespace
}  // namespace fluke::serve
