// What a well-formed request gets.
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/client/client.h"
#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

TEST(Search, AnswersAVectorWithItsNearestItemsBestFirst) {
  RunningServer running;
  const Answer answer = running.Search(VectorRequest({.8f, .6f, 0}));
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  // Inner products: northeast .48 + .48 = .96, north .8, east .6, up 0.
  EXPECT_THAT(answer.ids(), ElementsAre("northeast", "north", "east", "up"));
  EXPECT_FLOAT_EQ(answer.response.hits(0).score(), .96f);
  EXPECT_FLOAT_EQ(answer.response.hits(1).score(), .8f);
}

TEST(Search, TellsIdentityPathAndMetadataOfAHit) {
  RunningServer running;
  const Answer answer = running.Search(VectorRequest({1, 0, 0}));
  ASSERT_TRUE(answer.status.ok());
  const v1::Hit& hit = answer.response.hits(0);
  EXPECT_EQ(hit.id(), "north");
  EXPECT_EQ(hit.identity(), "Nora");
  EXPECT_EQ(hit.path(), "north.jpg");
  EXPECT_EQ(hit.metadata().at("camera"), "c-north");
}

TEST(Search, EmbedsAnImage) {
  RunningServer running;
  const Answer answer = running.Search(ImageRequest(PngOf({0, 255, 0}, {0, 255, 0})));
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_THAT(answer.ids(), ElementsAre("east", "northeast", "north", "up"));
}

TEST(Search, LooksOnlyAtTheCropOfAnImage) {
  RunningServer running;
  v1::SearchRequest request = ImageRequest(PngOf({255, 0, 0}, {0, 0, 255}));  // 16 x 8
  request.set_k(1);
  request.mutable_crop()->set_w(8);
  request.mutable_crop()->set_h(8);
  EXPECT_THAT(running.Search(request).ids(), ElementsAre("north"));
  request.mutable_crop()->set_x(8);
  EXPECT_THAT(running.Search(request).ids(), ElementsAre("up"));
}

TEST(Search, AKnownItemFindsItselfFirstUnlessItIsExcluded) {
  RunningServer running;
  v1::SearchRequest request = ItemRequest("northeast");
  EXPECT_THAT(running.Search(request).ids(), ElementsAre("northeast", "east", "north", "up"));
  request.set_exclude_self(true);
  EXPECT_THAT(running.Search(request).ids(), ElementsAre("east", "north", "up"));
}

TEST(Search, LeavesOutTheExcludedIdAndStillGivesKNeighbours) {
  RunningServer running;
  v1::SearchRequest request = VectorRequest({1, 0, 0});
  request.set_k(2);
  request.set_exclude_id("north");
  EXPECT_THAT(running.Search(request).ids(), ElementsAre("northeast", "east"));
}

TEST(Search, ExcludesItselfAndAnotherItemTogether) {
  RunningServer running;
  v1::SearchRequest request = ItemRequest("northeast");
  request.set_k(2);
  request.set_exclude_self(true);
  request.set_exclude_id("east");
  EXPECT_THAT(running.Search(request).ids(), ElementsAre("north", "up"));
  request.set_exclude_id("northeast");  // the same item twice
  EXPECT_THAT(running.Search(request).ids(), ElementsAre("east", "north"));
}

TEST(Search, GivesTheWholeGalleryWhenKIsLarger) {
  RunningServer running;
  v1::SearchRequest request = VectorRequest({1, 0, 0});
  request.set_k(2000);
  EXPECT_THAT(running.Search(request).ids(), SizeIs(4));
}

TEST(Search, GivesKNeighbours) {
  RunningServer running;
  v1::SearchRequest request = VectorRequest({1, 0, 0});
  request.set_k(1);
  EXPECT_THAT(running.Search(request).ids(), ElementsAre("north"));
}

TEST(Search, HandsTheKnobsToTheIndex) {
  RunningServer running;
  v1::SearchRequest request = VectorRequest({1, 0, 0});
  request.mutable_knobs()->set_nprobe(5);
  request.mutable_knobs()->set_ef_search(77);
  ASSERT_TRUE(running.Search(request).status.ok());
  EXPECT_EQ(running.index->last_options().nprobe, 5);
  EXPECT_EQ(running.index->last_options().ef_search, 77);
}

TEST(Search, HandsThePhotographToTheIndexForStepsThatCompareIt) {
  RunningServer running;
  v1::SearchRequest request = ImageRequest(RedPng());
  request.mutable_crop()->set_w(8);
  request.mutable_crop()->set_h(4);
  ASSERT_TRUE(running.Search(request).status.ok());
  EXPECT_EQ(running.index->last_image(), RedPng());
  ASSERT_TRUE(running.index->last_crop().has_value());
  EXPECT_EQ(running.index->last_crop()->w, 8);
  EXPECT_EQ(running.index->last_item_id(), "");
  ASSERT_TRUE(running.Search(ItemRequest("east")).status.ok());
  EXPECT_EQ(running.index->last_image(), "");
  EXPECT_EQ(running.index->last_item_id(), "east");
}

TEST(Describe, TellsWhatIsServed) {
  RunningServer running;
  const RetrievalClient client(running.server.address(), std::chrono::seconds(10));
  const v1::DescribeResponse served = client.Describe();
  EXPECT_EQ(served.size(), 4);
  EXPECT_EQ(served.dimension(), 3);
  EXPECT_EQ(served.metric(), "cosine");
  EXPECT_EQ(served.index_type(), "Flat");
  EXPECT_EQ(served.model_fingerprint(), "f1");
  EXPECT_EQ(served.snapshot(), 7);
  EXPECT_TRUE(served.accepts_images());
}

TEST(Describe, SaysWhenThereIsNoModel) {
  RunningServer running(LoopbackConfig(), /*with_model=*/false);
  const RetrievalClient client(running.server.address(), std::chrono::seconds(10));
  EXPECT_FALSE(client.Describe().accepts_images());
}

TEST(Client, ThrowsTheServersCodeAndMessage) {
  RunningServer running;
  const RetrievalClient client(running.server.address(), std::chrono::seconds(10));
  EXPECT_EQ(client.Search(VectorRequest({1, 0, 0})).hits_size(), 4);
  try {
    client.Search(ItemRequest("south"));
    FAIL() << "an unknown item was found";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), absl::StatusCode::kNotFound);
    EXPECT_STREQ(error.what(), "no item has the item_id 'south'");
  }
}

TEST(Client, NamesTheAddressThatDoesNotAnswer) {
  std::string address;
  {
    RunningServer running;
    address = running.server.address();
  }
  const RetrievalClient client(address, std::chrono::seconds(10));
  try {
    client.Describe();
    FAIL() << "a stopped server answered";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(error.what(), testing::HasSubstr(address));
  }
}

TEST(Search, ManyClientsAtOnceEachGetTheirOwnAnswer) {
  RunningServer running;
  const std::vector<v1::SearchRequest> requests = {VectorRequest({1, 0, 0}),
                                                   ImageRequest(PngOf({0, 255, 0}, {0, 255, 0})),
                                                   ItemRequest("up"), VectorRequest({0, .6f, .8f})};
  const std::vector<std::string> nearest = {"north", "east", "up", "up"};
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> clients;
    for (int c = 0; c < 8; ++c) {
      clients.emplace_back([&, c] {
        const RetrievalClient client(running.server.address(), std::chrono::seconds(60));
        for (int i = 0; i < 50; ++i) {
          const auto which = static_cast<size_t>(c + i) % requests.size();
          const v1::SearchResponse response = client.Search(requests[which]);
          if (response.hits(0).id() != nearest[which]) ++wrong;
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace fluke::serve
