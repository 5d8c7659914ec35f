// Batches, bounds and order of the stages, without gRPC.
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/pipeline/pipeline.h"
#include "tests/serve/fakes.h"

namespace fluke::serve {
namespace {

using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;

class PipelineTest : public ::testing::Test {
 protected:
  using Result = std::future<absl::StatusOr<Neighbors>>;

  ~PipelineTest() override {
    index_->gate.Open();
    embedder_->gate.Open();
  }
  void Start(const PipelineOptions& options) {
    pipeline_ = std::make_unique<Pipeline>(options);
    version_ = MakeServedVersion(index_, embedder_);
  }
  std::unique_ptr<Query> VectorQuery(std::vector<float> vector, Result* result) {
    auto query = std::make_unique<Query>();
    query->version = version_;
    query->vector = std::move(vector);
    auto promise = std::make_shared<std::promise<absl::StatusOr<Neighbors>>>();
    *result = promise->get_future();
    query->done = [promise](absl::StatusOr<Neighbors> found) {
      promise->set_value(std::move(found));
    };
    return query;
  }
  std::unique_ptr<Query> ImageQuery(std::string_view image, Result* result) {
    auto query = VectorQuery({}, result);
    query->image = image;
    return query;
  }
  Result SubmitVector(std::vector<float> vector) {
    Result result;
    pipeline_->Submit(VectorQuery(std::move(vector), &result));
    return result;
  }
  Result SubmitImage(std::string_view image) {
    Result result;
    pipeline_->Submit(ImageQuery(image, &result));
    return result;
  }
  // Until so many images wait for the model, which its gate keeps from them.
  void AwaitDecoded(size_t images) const {
    while (pipeline_->waiting_pixels() < images) std::this_thread::yield();
  }
  static bool Ready(const Result& result) {
    return result.wait_for(seconds(0)) == std::future_status::ready;
  }

  const std::string red_ = RedPng();  // queries view them, so they outlive the pipeline
  const std::string blue_ = PngOf({0, 0, 255}, {0, 0, 255});
  std::shared_ptr<FakeIndex> index_ = std::make_shared<FakeIndex>();
  std::shared_ptr<FakeEmbedder> embedder_ = std::make_shared<FakeEmbedder>();
  std::shared_ptr<const ServedVersion> version_;
  std::unique_ptr<Pipeline> pipeline_;
};

TEST_F(PipelineTest, SearchesTogetherWhatWaitsTogether) {
  Start({});
  index_->gate.Close();
  std::vector<Result> results;
  results.push_back(SubmitVector({1, 0, 0}));
  index_->gate.AwaitWaiting(1);
  for (int i = 0; i < 10; ++i) results.push_back(SubmitVector({0, 1, 0}));
  index_->gate.Open();
  for (Result& result : results) EXPECT_TRUE(result.get().ok());
  EXPECT_THAT(index_->batches(), ElementsAre(1, 10));
}

TEST_F(PipelineTest, SearchesApartWhatAsksForDifferentOptions) {
  Start({});
  index_->gate.Close();
  Result first = SubmitVector({1, 0, 0});
  index_->gate.AwaitWaiting(1);
  Result few, many, few_again;
  for (auto [result, k] : {std::pair{&few, 1}, {&many, 3}, {&few_again, 1}}) {
    auto query = VectorQuery({0, 1, 0}, result);
    query->options.k = k;
    pipeline_->Submit(std::move(query));
  }
  index_->gate.Open();
  EXPECT_EQ(few.get()->size(), 1u);
  EXPECT_EQ(many.get()->size(), 3u);
  EXPECT_EQ(few_again.get()->size(), 1u);
  EXPECT_THAT(index_->batches(), ElementsAre(1, 2, 1));
}

TEST_F(PipelineTest, SearchesApartWhatIsFilteredGroupedOrCutOffOtherwise) {
  Start({});
  index_->gate.Close();
  Result first = SubmitVector({1, 0, 0});
  index_->gate.AwaitWaiting(1);
  const Filter filter = ParseFilter("exists(camera)");
  const SearchOptions options[] = {
      {}, {.filter = &filter}, {.min_score = 0.5f}, {.one_per_identity = true}};
  std::vector<Result> results(std::size(options));
  for (size_t i = 0; i < results.size(); ++i) {
    auto query = VectorQuery({0, 1, 0}, &results[i]);
    query->options = options[i];
    pipeline_->Submit(std::move(query));
  }
  index_->gate.Open();
  for (Result& result : results) EXPECT_TRUE(result.get().ok());
  EXPECT_THAT(index_->batches(), ElementsAre(1, 1, 1, 1, 1));
}

TEST_F(PipelineTest, OneQuerysFaultDoesNotFailTheOthersOfItsBatch) {
  index_->fault = [](std::span<const float> queries) {
    for (const float value : queries) {
      if (value == 13) InvalidArgument("13 brings bad luck");
    }
  };
  Start({});
  index_->gate.Close();
  Result first = SubmitVector({1, 0, 0});
  index_->gate.AwaitWaiting(1);
  Result good = SubmitVector({1, 0, 0});
  Result bad = SubmitVector({13, 0, 0});
  Result also_good = SubmitVector({0, 1, 0});
  index_->gate.Open();
  EXPECT_EQ(good.get()->front().row, 0);
  EXPECT_EQ(also_good.get()->front().row, 1);
  EXPECT_EQ(bad.get().status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PipelineTest, EmbedsImagesInBatches) {
  Start({.max_embed_batch = 4});
  embedder_->gate.Close();
  std::vector<Result> results;
  results.push_back(SubmitImage(red_));
  embedder_->gate.AwaitWaiting(1);
  for (int i = 0; i < 8; ++i) results.push_back(SubmitImage(i % 2 == 0 ? blue_ : red_));
  AwaitDecoded(8);
  embedder_->gate.Open();
  for (size_t i = 0; i < results.size(); ++i) {
    const int64_t expected_row = i == 0 || i % 2 == 0 ? 0 : 2;  // red is north, blue is up
    EXPECT_EQ(results[i].get()->front().row, expected_row) << i;
  }
  EXPECT_THAT(embedder_->batches(), ElementsAre(1, 4, 4));
}

TEST_F(PipelineTest, CutsBatchesAtThePreferredSizes) {
  Start({.max_embed_batch = 8, .preferred_embed_batches = {2, 4}});
  embedder_->gate.Close();
  std::vector<Result> results;
  results.push_back(SubmitImage(red_));
  embedder_->gate.AwaitWaiting(1);
  for (int i = 0; i < 7; ++i) results.push_back(SubmitImage(red_));
  AwaitDecoded(7);
  embedder_->gate.Open();
  for (Result& result : results) EXPECT_TRUE(result.get().ok());
  // Of 7 the largest preferred size is 4, of 3 it is 2; less than any goes as it is.
  EXPECT_THAT(embedder_->batches(), ElementsAre(1, 4, 2, 1));
}

TEST_F(PipelineTest, AnswersResourceExhaustedAtOnceWhenTheSearchQueueIsFull) {
  Start({.max_waiting_searches = 2});
  index_->gate.Close();
  Result searched = SubmitVector({1, 0, 0});
  index_->gate.AwaitWaiting(1);
  Result waiting = SubmitVector({1, 0, 0});
  Result waiting_too = SubmitVector({1, 0, 0});
  Result refused = SubmitVector({1, 0, 0});
  ASSERT_TRUE(Ready(refused));
  EXPECT_EQ(refused.get().status().code(), absl::StatusCode::kResourceExhausted);
  index_->gate.Open();
  EXPECT_TRUE(searched.get().ok());
  EXPECT_TRUE(waiting.get().ok());
  EXPECT_TRUE(waiting_too.get().ok());
}

TEST_F(PipelineTest, RefusesImagesBeyondTheirBytesButAlwaysTakesOne) {
  // No byte is allowed to wait: an image is taken only while none waits.
  Start({.decode_workers = 1,
         .max_waiting_image_bytes = 0,
         .max_decoded_bytes = 0,
         .max_embed_batch = 1});
  embedder_->gate.Close();
  Result embedding = SubmitImage(red_);
  embedder_->gate.AwaitWaiting(1);
  // One waits for the model, one is held by the decoder, one waits to be decoded: of five two are
  // refused.
  std::vector<Result> more;
  more.push_back(SubmitImage(red_));
  AwaitDecoded(1);
  more.push_back(SubmitImage(red_));
  while (pipeline_->waiting_images() > 0) std::this_thread::yield();
  for (int i = 0; i < 3; ++i) more.push_back(SubmitImage(red_));
  int refused = 0;
  for (Result& result : more) {
    if (!Ready(result)) continue;
    EXPECT_EQ(result.get().status().code(), absl::StatusCode::kResourceExhausted);
    ++refused;
  }
  EXPECT_EQ(refused, 2);
  // Vector queries have a queue of their own.
  EXPECT_TRUE(SubmitVector({1, 0, 0}).get().ok());
  embedder_->gate.Open();
  EXPECT_TRUE(embedding.get().ok());
}

TEST_F(PipelineTest, ACancelledOrExpiredQueryCostsNoStage) {
  Start({});
  Result cancelled, expired;
  auto query = ImageQuery(red_, &cancelled);
  query->cancelled = [] { return true; };
  pipeline_->Submit(std::move(query));
  query = ImageQuery(red_, &expired);
  query->deadline = std::chrono::system_clock::now();
  pipeline_->Submit(std::move(query));
  EXPECT_EQ(cancelled.get().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(expired.get().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(embedder_->batches().empty());
  EXPECT_EQ(index_->calls, 0);
}

TEST_F(PipelineTest, AnswersEverythingBeforeItGoes) {
  Start({});
  std::vector<Result> results;
  for (int i = 0; i < 20; ++i) {
    results.push_back(SubmitImage(red_));
    results.push_back(SubmitVector({1, 0, 0}));
  }
  pipeline_.reset();
  for (Result& result : results) {
    ASSERT_TRUE(Ready(result));
    EXPECT_TRUE(result.get().ok());
  }
}

TEST(BoundedQueue, PushWaitsForRoomAndClosingEndsTheWait) {
  BoundedQueue<int> queue(1, UINT64_MAX);
  int one = 1, two = 2, three = 3;
  EXPECT_TRUE(queue.TryPush(one));
  EXPECT_FALSE(queue.TryPush(two));
  auto pushed = std::async(std::launch::async, [&] { return queue.Push(two); });
  EXPECT_THAT(queue.PopBatch(8), Contains(1));
  EXPECT_TRUE(pushed.get());
  auto refused = std::async(std::launch::async, [&] { return queue.Push(three); });
  queue.Close();
  EXPECT_FALSE(refused.get());
  EXPECT_THAT(queue.PopBatch(8), ElementsAre(2));  // what was in is still given out
  EXPECT_TRUE(queue.PopBatch(8).empty());
}

TEST(BoundedQueue, APreferredNumberDoesNotWaitForMoreAndAnyOtherLingers) {
  const std::vector<size_t> preferred = {2, 4};
  const auto more_to_come = [] { return true; };
  const auto pop = [&](BoundedQueue<int>& queue, std::chrono::microseconds linger) {
    return queue.PopBatch(8, linger, more_to_come, preferred).size();
  };
  BoundedQueue<int> queue(100, UINT64_MAX);
  const auto push = [&](int count) {
    for (int i = 0; i < count; ++i) EXPECT_TRUE(queue.TryPush(i));
  };
  // With an hour to linger: only what does not wait comes back.
  push(2);
  EXPECT_EQ(pop(queue, std::chrono::hours(1)), 2u);
  push(7);
  EXPECT_EQ(pop(queue, std::chrono::hours(1)), 4u);
  EXPECT_EQ(pop(queue, std::chrono::hours(1)), 2u);
  EXPECT_EQ(pop(queue, std::chrono::milliseconds(20)), 1u);  // it lingered in vain
  auto lingering = std::async(std::launch::async, [&] { return pop(queue, seconds(60)); });
  push(1);
  EXPECT_EQ(lingering.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  push(1);
  EXPECT_EQ(lingering.get(), 2u);
}

TEST(BoundedQueue, TakesAnItemHeavierThanTheBoundOnlyAlone) {
  BoundedQueue<int> queue(10, 100);
  int heavy = 1, light = 2;
  EXPECT_TRUE(queue.TryPush(heavy, 1000));
  EXPECT_FALSE(queue.TryPush(light, 1));
  EXPECT_THAT(queue.PopBatch(1), ElementsAre(1));
  EXPECT_TRUE(queue.TryPush(light, 100));
  EXPECT_FALSE(queue.TryPush(light, 1));
}

}  // namespace
}  // namespace fluke::serve
