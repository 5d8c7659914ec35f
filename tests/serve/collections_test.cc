// fluke.v1.Collections over gRPC, and searches that name a collection.
#include <atomic>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/client/client.h"
#include "tests/serve/fake_openers.h"
#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Code = absl::StatusCode;

class CollectionsTest : public ::testing::Test {
 protected:
  CollectionsTest() {
    v1::ServeConfig config = LoopbackConfig();
    config.set_data((folder_.path() / "data").string());
    for (const char* name : {"one", "two"}) {
      v1::ServedCollection& served = *config.add_collection();
      served.set_name(name);
      served.set_index((folder_.path() / name).string());
      served.set_read_only(true);
      FakeOpeners::MakeIndex(served.index());
    }
    server_ = std::make_unique<RetrievalServer>(config);
    server_->Load(openers_.Get());
    client_ = std::make_unique<RetrievalClient>(server_->address(), seconds(30));
  }
  ~CollectionsTest() override { openers_.opening.Open(); }

  v1::Collection Create(const std::string& name) {
    v1::CreateCollectionRequest request;
    request.set_name(name);
    request.set_dimension(3);
    return client_->CreateCollection(request);
  }
  v1::UpdateAliasesResponse Alias(const std::string& alias, const std::string& collection) {
    v1::UpdateAliasesRequest request;
    (*request.mutable_set())[alias] = collection;
    return client_->UpdateAliases(request);
  }
  std::vector<std::string> Found(const std::string& collection) {
    v1::SearchRequest request = VectorRequest({1, 0, 0});
    request.set_collection(collection);
    std::vector<std::string> ids;
    const v1::SearchResponse response = client_->Search(request);
    for (const v1::Hit& hit : response.hits()) ids.push_back(hit.id());
    return ids;
  }
  template <typename Work>
  void ExpectError(Code code, const std::string& message, const Work& work) {
    try {
      work();
      ADD_FAILURE() << "nothing was thrown; expected: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  }

  ScratchFolder folder_;
  FakeOpeners openers_;
  std::unique_ptr<RetrievalServer> server_;
  std::unique_ptr<RetrievalClient> client_;
};

TEST_F(CollectionsTest, AreMadeFilledAndSearchedByName) {
  const v1::Collection made = Create("north");
  EXPECT_EQ(made.name(), "north");
  EXPECT_EQ(made.dimension(), 3);
  EXPECT_FALSE(made.read_only());
  EXPECT_FALSE(made.from_config());
  v1::DeleteRequest request;
  request.add_ids("north");
  request.set_collection("north");
  EXPECT_EQ(client_->Delete(request).deleted(), 1);
  EXPECT_THAT(Found("north"), ElementsAre("northeast", "east", "up"));
  EXPECT_THAT(Found("one"), ElementsAre("north", "northeast", "east", "up"));
  ExpectError(Code::kNotFound, "no collection 'south'", [&] { Found("south"); });
}

TEST_F(CollectionsTest, AreListedDescribedAndDropped) {
  Create("north");
  std::vector<std::string> names;
  const v1::ListCollectionsResponse listed = client_->ListCollections({});
  for (const v1::Collection& collection : listed.collections()) {
    names.push_back(collection.name());
  }
  EXPECT_THAT(names, ElementsAre("north", "one", "two"));
  EXPECT_TRUE(client_->DescribeCollection("one").read_only());
  EXPECT_EQ(client_->DescribeCollection("one").snapshot(), 7);  // as the fake says
  client_->DropCollection("north");
  ExpectError(Code::kNotFound, "'north'", [&] { client_->DescribeCollection("north"); });
  ExpectError(Code::kFailedPrecondition, "config", [&] { client_->DropCollection("one"); });
}

TEST_F(CollectionsTest, AnAliasLeadsToItsCollection) {
  EXPECT_EQ(Alias("whales", "one").aliases().at("whales"), "one");
  EXPECT_THAT(client_->DescribeCollection("whales").name(), "one");
  Alias("whales", "two");
  EXPECT_THAT(client_->DescribeCollection("whales").name(), "two");
  EXPECT_EQ(Found("whales").size(), 4u);
}

TEST_F(CollectionsTest, SnapshotsAreOfCollectionsThatChange) {
  Create("north");
  EXPECT_EQ(client_->SnapshotCollection("north").snapshot(), 0);  // as the fake says
  ExpectError(Code::kFailedPrecondition, "read-only", [&] { client_->SnapshotCollection("one"); });
}

TEST_F(CollectionsTest, WhatCannotBeOpenedAnewStaysAndNoPathIsTold) {
  std::filesystem::remove(folder_.path() / "one" / "INDEX");
  try {
    client_->ReloadCollection("one");
    FAIL() << "reloaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kFailedPrecondition);
    EXPECT_THAT(error.what(), HasSubstr("'one'"));
    EXPECT_THAT(error.what(), HasSubstr("damaged"));
    EXPECT_THAT(error.what(), testing::Not(HasSubstr("/")));
  }
  EXPECT_EQ(Found("one").size(), 4u);
}

TEST_F(CollectionsTest, AnswersLooksWhileACollectionIsBeingOpened) {
  openers_.opening.Close();
  auto made = std::async(std::launch::async, [&] { return Create("north"); });
  openers_.opening.AwaitWaiting(1);
  EXPECT_EQ(client_->ListCollections({}).collections_size(), 2);  // not there yet
  Alias("whales", "one");
  EXPECT_EQ(Found("whales").size(), 4u);
  openers_.opening.Open();
  made.get();
  EXPECT_EQ(client_->ListCollections({}).collections_size(), 3);
}

TEST_F(CollectionsTest, AnAliasThatTookTheNameMeanwhileLeavesNothingOfTheNewCollection) {
  openers_.opening.Close();
  auto made = std::async(std::launch::async, [&] { return Create("north"); });
  openers_.opening.AwaitWaiting(1);
  Alias("north", "one");
  openers_.opening.Open();
  ExpectError(Code::kAlreadyExists, "'north'", [&] { made.get(); });
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "data" / "collections" / "north"));
}

TEST_F(CollectionsTest, NoSearchFailsWhileVersionsAreSwapped) {
  Alias("whales", "one");
  std::atomic<bool> done = false;
  std::atomic<int> answered = 0;
  std::vector<std::jthread> callers;
  for (int c = 0; c < 3; ++c) {
    callers.emplace_back([&] {
      while (!done) {
        EXPECT_EQ(Found("whales").size(), 4u);
        ++answered;
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    Alias("whales", i % 2 == 0 ? "two" : "one");
    client_->ReloadCollection(i % 2 == 0 ? "one" : "two");
  }
  while (answered < 100) std::this_thread::sleep_for(milliseconds(1));
  done = true;
}

}  // namespace
}  // namespace fluke::serve
