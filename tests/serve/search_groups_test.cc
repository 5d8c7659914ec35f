// The best photographs of each of the most similar individuals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

// Scores for (1, 0, 0): ann1 1, bea1 .96, ann2 .8, nobody .6, ann3 and bea2 0.
std::shared_ptr<FakeIndex> Individuals() {
  using Photograph = std::pair<Item, std::vector<float>>;
  const auto photograph = [](const std::string& id, const std::string& identity,
                             const std::string& camera, const std::vector<float>& vector) {
    return Photograph{{id, identity, id + ".jpg", {{"camera", camera}}}, vector};
  };
  return std::make_shared<FakeIndex>(std::vector<Photograph>{
      photograph("ann1", "Ann", "north", {1, 0, 0}),
      photograph("ann2", "Ann", "south", {.8f, .6f, 0}),
      photograph("ann3", "Ann", "south", {0, 1, 0}),
      photograph("bea1", "Bea", "south", {.96f, .28f, 0}),
      photograph("bea2", "Bea", "north", {0, 0, 1}),
      photograph("nobody", "", "south", {.6f, .8f, 0}),
  });
}

class SearchGroups : public ::testing::Test {
 protected:
  SearchGroups() { *request_.mutable_search() = VectorRequest({1, 0, 0}); }

  grpc::Status Call() {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    response_.Clear();
    return running_.stub->SearchGroups(&context, request_, &response_);
  }
  using Groups = std::vector<std::pair<std::string, std::vector<std::string>>>;
  Groups Found() {
    const grpc::Status status = Call();
    EXPECT_TRUE(status.ok()) << status.error_message();
    Groups groups;
    for (const v1::Group& group : response_.groups()) {
      auto& ids = groups.emplace_back(group.identity(), std::vector<std::string>()).second;
      for (const v1::Hit& hit : group.hits()) ids.push_back(hit.id());
    }
    return groups;
  }

  RunningServer running_{LoopbackConfig(), /*with_model=*/true, Individuals()};
  v1::SearchGroupsRequest request_;
  v1::SearchGroupsResponse response_;
};

TEST_F(SearchGroups, GivesEachIndividualsBestPhotographsInTheOrderOfTheBest) {
  request_.set_group_size(2);
  EXPECT_THAT(Found(), ElementsAre(Pair("Ann", ElementsAre("ann1", "ann2")),
                                   Pair("Bea", ElementsAre("bea1", "bea2")),
                                   Pair("", ElementsAre("nobody"))));
  EXPECT_FLOAT_EQ(response_.groups(0).hits(1).score(), .8f);
  EXPECT_EQ(response_.groups(1).hits(1).metadata().at("camera"), "north");
}

TEST_F(SearchGroups, GivesThreePhotographsOfAsManyIndividualsAsAreWanted) {
  request_.set_groups(1);
  EXPECT_THAT(Found(), ElementsAre(Pair("Ann", ElementsAre("ann1", "ann2", "ann3"))));
}

TEST_F(SearchGroups, OfOnePhotographEachAreTheIndividualsAlone) {
  request_.set_group_size(1);
  EXPECT_THAT(Found(),
              ElementsAre(Pair("Ann", ElementsAre("ann1")), Pair("Bea", ElementsAre("bea1")),
                          Pair("", ElementsAre("nobody"))));
}

TEST_F(SearchGroups, HoldOnlyWhatTheFilterLetsThrough) {
  request_.mutable_search()->set_filter("camera = \"south\"");
  EXPECT_THAT(Found(), ElementsAre(Pair("Bea", ElementsAre("bea1")),
                                   Pair("Ann", ElementsAre("ann2", "ann3")),
                                   Pair("", ElementsAre("nobody"))));
}

TEST_F(SearchGroups, HoldOnlyWhatScoresEnough) {
  request_.mutable_search()->set_min_score(.7f);
  EXPECT_THAT(Found(), ElementsAre(Pair("Ann", ElementsAre("ann1", "ann2")),
                                   Pair("Bea", ElementsAre("bea1"))));
}

TEST_F(SearchGroups, LeaveOutWhatIsExcluded) {
  request_.mutable_search()->set_item_id("ann1");
  request_.mutable_search()->set_exclude_self(true);
  request_.mutable_search()->set_exclude_id("bea1");
  EXPECT_THAT(Found(),
              ElementsAre(Pair("Ann", ElementsAre("ann2", "ann3")), Pair("", ElementsAre("nobody")),
                          Pair("Bea", ElementsAre("bea2"))));
}

TEST_F(SearchGroups, TakeAPhotographOrSeveralExamples) {
  request_.set_groups(1);
  request_.set_group_size(2);
  *request_.mutable_search() = ImageRequest(PngOf({0, 0, 255}, {0, 0, 255}));
  EXPECT_THAT(Found(), ElementsAre(Pair("Bea", ElementsAre("bea2", "bea1"))));
  EXPECT_THAT(running_.embedder->batches(), ElementsAre(1));  // once, however many searches
  request_.mutable_search()->Clear();
  request_.mutable_search()->add_like()->set_image(PngOf({0, 255, 0}, {0, 255, 0}));
  request_.mutable_search()->add_like()->set_item_id("ann3");
  EXPECT_THAT(Found(), ElementsAre(Pair("", ElementsAre("nobody"))));  // .8; ann2 .6
}

TEST_F(SearchGroups, RefusesMorePhotographsThanASearchGives) {
  request_.set_groups(1000);
  EXPECT_EQ(Call().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request_.set_groups(4'294'967'295u);
  request_.set_group_size(4'294'967'295u);
  const grpc::Status status = Call();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("at most 2048 neighbours"));
}

TEST_F(SearchGroups, RefusesASearchThatSaysHowManyItself) {
  request_.mutable_search()->set_k(3);
  EXPECT_EQ(Call().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request_.mutable_search()->set_k(0);
  request_.mutable_search()->set_one_per_identity(true);
  EXPECT_EQ(Call().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SearchGroups, TellsWhatIsWrongWithTheSearch) {
  request_.mutable_search()->set_item_id("south");
  EXPECT_EQ(Call().error_code(), grpc::StatusCode::NOT_FOUND);
  *request_.mutable_search() = ImageRequest("no pixels");
  EXPECT_EQ(Call().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request_.clear_search();
  EXPECT_EQ(Call().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SearchGroups, TellsWhenASearchFails) {
  int searches = 0;
  running_.index->fault = [&](std::span<const float>) {
    if (++searches == 3) DataLoss("a damaged block");  // the second group's
  };
  EXPECT_EQ(Call().error_code(), grpc::StatusCode::INTERNAL);
}

}  // namespace
}  // namespace fluke::serve
