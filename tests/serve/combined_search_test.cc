// Searches by several examples, alike and unlike. Expected order and scores are calculated by hand
// from the fakes' four vectors: north (1, 0, 0), east (0, 1, 0), up (0, 0, 1), northeast
// (.6, .8, 0).
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::Example VectorExample(const std::vector<float>& vector) {
  v1::Example example;
  example.mutable_vector()->mutable_values()->Add(vector.begin(), vector.end());
  return example;
}

v1::Example ItemExample(const std::string& id) {
  v1::Example example;
  example.set_item_id(id);
  return example;
}

v1::Example ImageExample(const std::string& bytes) {
  v1::Example example;
  example.set_image(bytes);
  return example;
}

std::string Green() { return PngOf({0, 255, 0}, {0, 255, 0}); }

v1::SearchRequest LikeRequest(const std::vector<v1::Example>& like,
                              const std::vector<v1::Example>& unlike = {}) {
  v1::SearchRequest request;
  for (const v1::Example& example : like) *request.add_like() = example;
  for (const v1::Example& example : unlike) *request.add_unlike() = example;
  return request;
}

void ExpectRefused(const RunningServer& running, const v1::SearchRequest& request,
                   const std::string& message_part,
                   grpc::StatusCode code = grpc::StatusCode::INVALID_ARGUMENT) {
  const grpc::Status status = running.Search(request).status;
  EXPECT_EQ(status.error_code(), code) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr(message_part));
}

TEST(CombinedSearch, LooksForTheMeanDirectionOfWhatItIsLike) {
  RunningServer running;
  // Of (1, 0, 0) and (0, 0, 5), the directions' mean: (1, 0, 1) / sqrt 2, whatever their lengths.
  const Answer answer =
      running.Search(LikeRequest({VectorExample({1, 0, 0}), VectorExample({0, 0, 5})}));
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_THAT(answer.ids(), ElementsAre("north", "up", "northeast", "east"));
  EXPECT_FLOAT_EQ(answer.response.hits(0).score(), std::sqrt(.5f));
  EXPECT_FLOAT_EQ(answer.response.hits(2).score(), .6f * std::sqrt(.5f));
}

TEST(CombinedSearch, LooksAwayFromWhatItIsUnlike) {
  RunningServer running;
  // 2 (.6, .8, 0) - (0, 1, 0) = (1.2, .6, 0), of length sqrt 1.8: north 1.2, northeast .72 + .48,
  // east .6, all by that length. northeast and north are equal; only the vector is an example, so
  // both are found.
  const Answer answer =
      running.Search(LikeRequest({VectorExample({.6f, .8f, 0})}, {VectorExample({0, 1, 0})}));
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  ASSERT_EQ(answer.response.hits_size(), 4);
  EXPECT_NEAR(answer.response.hits(0).score(), 1.2 / std::sqrt(1.8), 1e-6);
  EXPECT_NEAR(answer.response.hits(1).score(), 1.2 / std::sqrt(1.8), 1e-6);
  EXPECT_EQ(answer.ids()[2], "east");
  EXPECT_NEAR(answer.response.hits(2).score(), .6 / std::sqrt(1.8), 1e-6);
}

TEST(CombinedSearch, ItemsThatServeAsExamplesAreLeftOutAndKNeighboursStay) {
  RunningServer running;
  v1::SearchRequest request =
      LikeRequest({ItemExample("north"), ItemExample("northeast")}, {ItemExample("up")});
  request.set_k(1);
  EXPECT_THAT(running.Search(request).ids(), ElementsAre("east"));
  request.set_exclude_id("east");
  EXPECT_THAT(running.Search(request).ids(), IsEmpty());
}

TEST(CombinedSearch, TakesPhotographsVectorsAndItemsTogether) {
  RunningServer running;
  // Green is east; its left half alone, too. (0, 1, 0) twice and up: 2/3 east + 1/3 up.
  v1::Example half = ImageExample(PngOf({0, 255, 0}, {0, 0, 255}));  // 16 x 8
  half.mutable_crop()->set_w(8);
  half.mutable_crop()->set_h(8);
  const Answer answer =
      running.Search(LikeRequest({half, ImageExample(Green()), ItemExample("up")}));
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_THAT(answer.ids(), ElementsAre("east", "northeast", "north"));
  EXPECT_NEAR(answer.response.hits(0).score(), 2 / std::sqrt(5.0), 1e-6);
}

TEST(CombinedSearch, LeavingOutAnExampleKeepsItsIndividualsNextBestPhotograph) {
  RunningServer running;
  // Nora's north and Esther's east are examples; what stays of Nora is northeast.
  v1::SearchRequest request = LikeRequest({ItemExample("north"), ItemExample("east")});
  request.set_one_per_identity(true);
  EXPECT_THAT(running.Search(request).ids(), ElementsAre("northeast", "up"));
  request.set_filter("identity = \"Nora\"");
  EXPECT_THAT(running.Search(request).ids(), ElementsAre("northeast"));
}

TEST(CombinedSearch, TwoExcludedItemsLeaveTheirIndividualsNextBestToo) {
  RunningServer running;
  v1::SearchRequest request = ItemRequest("east");
  request.set_exclude_self(true);
  request.set_exclude_id("northeast");
  request.set_one_per_identity(true);
  EXPECT_THAT(running.Search(request).ids(), ElementsAre("north", "up"));
}

TEST(CombinedSearch, WorksInABatchBesideOtherSearches) {
  RunningServer running;
  v1::SearchBatchRequest request;
  *request.add_searches() = VectorRequest({1, 0, 0});
  *request.add_searches() = LikeRequest({ImageExample(Green())}, {ItemExample("north")});
  grpc::ClientContext context;
  v1::SearchBatchResponse response;
  ASSERT_TRUE(running.stub->SearchBatch(&context, request, &response).ok());
  EXPECT_EQ(response.responses(0).hits(0).id(), "north");
  EXPECT_EQ(response.responses(1).hits(0).id(), "east");
  EXPECT_EQ(response.responses(1).hits_size(), 3);
}

TEST(CombinedSearch, ExamplesThatCancelEachOtherOutAreRefused) {
  RunningServer running;
  ExpectRefused(running, LikeRequest({VectorExample({1, 0, 0}), VectorExample({-3, 0, 0})}),
                "cancel each other out");
  // 2 mean((.6, .8, 0), (.6, -.8, 0)) - (1.2, 0, 0)'s direction is (.2, 0, 0): not zero, if little.
  EXPECT_TRUE(running
                  .Search(LikeRequest({VectorExample({.6f, .8f, 0}), VectorExample({.6f, -.8f, 0})},
                                      {VectorExample({1.2f, 0, 0})}))
                  .status.ok());
}

TEST(CombinedSearch, NamesTheExampleThatIsWrong) {
  RunningServer running;
  ExpectRefused(running, LikeRequest({ItemExample("north")}, {VectorExample({1, 0})}),
                "unlike 0: the vector has 2 values");
  ExpectRefused(running, LikeRequest({ItemExample("north"), ItemExample("south")}),
                "like 1: no item has the item_id 'south'", grpc::StatusCode::NOT_FOUND);
  ExpectRefused(running, LikeRequest({ImageExample(Green()), ImageExample("no pixels")}),
                "like 1: ");
  ExpectRefused(running, LikeRequest({ImageExample("")}), "like 0: the query image is empty");
  ExpectRefused(running, LikeRequest({v1::Example()}), "like 0: one of image");
  v1::Example cropped = ItemExample("north");
  cropped.mutable_crop()->set_w(1);
  ExpectRefused(running, LikeRequest({cropped}), "like 0: crop goes with an image only");
}

TEST(CombinedSearch, RefusesExamplesBesideAnotherQueryAndUnlikeAlone) {
  RunningServer running;
  v1::SearchRequest request = LikeRequest({ItemExample("north")});
  request.set_item_id("east");
  ExpectRefused(running, request, "instead of image, vector and item_id");
  ExpectRefused(running, LikeRequest({}, {ItemExample("north")}), "unlike goes with like only");
  request = LikeRequest({ItemExample("north")});
  request.set_exclude_self(true);
  ExpectRefused(running, request, "exclude_self goes with item_id only");
}

TEST(CombinedSearch, RefusesMoreExamplesThanItTakes) {
  RunningServer running;
  const std::vector<v1::Example> many(100, ItemExample("north"));
  ExpectRefused(running, LikeRequest(many, many), "200 examples, at most 128");
}

TEST(CombinedSearch, RefusesPhotographsWhereThereIsNoModel) {
  RunningServer running(LoopbackConfig(), /*with_model=*/false);
  ExpectRefused(running, LikeRequest({ImageExample(Green())}), "no model",
                grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(running.Search(LikeRequest({ItemExample("north")})).status.ok());
}

}  // namespace
}  // namespace fluke::serve
