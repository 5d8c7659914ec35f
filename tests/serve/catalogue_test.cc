// Names, aliases and what is kept on disk, without gRPC.
#include "serve/collections/catalogue.h"

#include <atomic>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/fake_openers.h"

namespace fluke::serve {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using Code = absl::StatusCode;

class CatalogueTest : public ::testing::Test {
 protected:
  CatalogueTest() {
    config_.set_data((folder_.path() / "data").string());
    Load();
  }

  // As after a restart.
  void Load() {
    catalogue_.reset();
    catalogue_ = std::make_unique<Catalogue>();
    catalogue_->Load(config_, openers_.Get());
  }
  void Create(const std::string& name, const std::string& model = "") {
    v1::CreateCollectionRequest request;
    request.set_name(name);
    request.set_model(model);
    if (model.empty()) request.set_dimension(3);
    catalogue_->Create(request);
  }
  void Alias(const std::string& alias, const std::string& collection) {
    catalogue_->UpdateAliases({{alias, collection}}, {});
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    const v1::ListCollectionsResponse listed = catalogue_->List({});
    for (const v1::Collection& collection : listed.collections()) {
      names.push_back(collection.name());
    }
    return names;
  }
  fs::path DataFile(const std::string& name) { return folder_.path() / "data" / name; }
  LiveIndex* LiveOf(const std::string& name) { return catalogue_->Find(name)->live(); }

  template <typename Work>
  void ExpectError(Code code, const std::string& message, const Work& work) {
    try {
      work();
      ADD_FAILURE() << "nothing was thrown; expected: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(message));
      EXPECT_THAT(error.what(), Not(HasSubstr(folder_.path().string())));
    }
  }

  ScratchFolder folder_;
  FakeOpeners openers_;
  v1::ServeConfig config_;
  std::unique_ptr<Catalogue> catalogue_;
};

TEST_F(CatalogueTest, NoNameMeansTheOnlyCollectionOrTheOneThatIsCalledDefault) {
  ExpectError(Code::kNotFound, "0 collections", [&] { catalogue_->Find(""); });
  Create("north");
  EXPECT_EQ(catalogue_->Find(""), catalogue_->Find("north"));
  Create("south");
  ExpectError(Code::kNotFound, "2 collections", [&] { catalogue_->Find(""); });
  Alias("default", "south");
  EXPECT_EQ(catalogue_->Find(""), catalogue_->Find("south"));
}

TEST_F(CatalogueTest, NoNameMeansTheIndexOfTheConfig) {
  FakeOpeners::MakeIndex(folder_.path() / "index");
  config_.set_index((folder_.path() / "index").string());
  v1::ServedCollection& other = *config_.add_collection();
  other.set_name("other");
  other.set_index(config_.index());
  other.set_read_only(true);
  Load();
  EXPECT_EQ(LiveOf(""), openers_.Live(config_.index()).get());
  EXPECT_EQ(LiveOf("other"), nullptr);
  EXPECT_TRUE(catalogue_->Describe("").from_config());
  EXPECT_THAT(Names(), ElementsAre("default", "other"));
}

TEST_F(CatalogueTest, CollectionsAndAliasesAreThereAfterARestart) {
  Create("north");
  Create("south");
  Alias("whales", "south");
  Load();
  EXPECT_THAT(Names(), ElementsAre("north", "south"));
  EXPECT_EQ(catalogue_->Find("whales"), catalogue_->Find("south"));
  EXPECT_THAT(catalogue_->Describe("whales").aliases(), ElementsAre("whales"));
}

TEST_F(CatalogueTest, OpensBesideTheQueriesAtALowPriority) {
  Create("north");
  EXPECT_GE(openers_.niceness, 10);
}

TEST_F(CatalogueTest, OneServerHasADataFolder) {
  Catalogue second;
  try {
    second.Load(config_, openers_.Get());
    FAIL() << "two servers have it";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kFailedPrecondition);
    EXPECT_THAT(error.what(), HasSubstr("another server"));
  }
}

TEST_F(CatalogueTest, RefusesNamesThatAreNoneOrTaken) {
  for (const std::string name : {"", "a/b", "..", ".hidden", "with space", "\xc3\xa4"}) {
    ExpectError(Code::kInvalidArgument, "cannot name a collection", [&] { Create(name); });
  }
  ExpectError(Code::kInvalidArgument, "cannot name", [&] { Create(std::string(101, 'a')); });
  Create(std::string(100, 'a'));
  Create("north");
  ExpectError(Code::kAlreadyExists, "a collection 'north'", [&] { Create("north"); });
  Alias("whales", "north");
  ExpectError(Code::kAlreadyExists, "an alias 'whales'", [&] { Create("whales"); });
  ExpectError(Code::kAlreadyExists, "'north' is a collection", [&] { Alias("north", "north"); });
}

TEST_F(CatalogueTest, AFailedCreateLeavesNothing) {
  v1::CreateCollectionRequest request;
  request.set_name("north");
  ExpectError(Code::kInvalidArgument, "dimension", [&] { catalogue_->Create(request); });
  request.set_dimension(3);
  request.set_index_type("compact");
  ExpectError(Code::kInvalidArgument, "begin empty", [&] { catalogue_->Create(request); });
  request.clear_index_type();
  request.set_model("nobody");
  ExpectError(Code::kNotFound, "no model 'nobody'", [&] { catalogue_->Create(request); });
  EXPECT_TRUE(fs::is_empty(DataFile("collections")));
  EXPECT_THAT(Names(), ElementsAre());
}

TEST_F(CatalogueTest, ACollectionOfAModelTakesItsDimensionAndFingerprint) {
  v1::ServedModel& model = *config_.add_models();
  model.set_name("whales");
  model.add_run("runs/a");
  Load();
  Create("north", "whales");
  ASSERT_EQ(openers_.made.size(), 1u);
  EXPECT_EQ(openers_.made[0].dimension, 3);
  EXPECT_EQ(openers_.made[0].fingerprint, "f1");
  EXPECT_EQ(openers_.made[0].metric, "cosine");
  EXPECT_TRUE(catalogue_->Describe("north").accepts_images());
  EXPECT_EQ(catalogue_->Describe("north").model(), "whales");
}

TEST_F(CatalogueTest, CollectionsOfOneModelShareIt) {
  v1::ServedModel& model = *config_.add_models();
  model.set_name("whales");
  model.add_run("runs/a");
  config_.mutable_batching()->set_max_batch(8);
  config_.mutable_batching()->add_preferred_sizes(4);
  Load();
  Create("north", "whales");
  Create("south", "whales");
  EXPECT_EQ(openers_.models_opened, 1);
  EXPECT_EQ(catalogue_->Find("north")->Current()->embedder,
            catalogue_->Find("south")->Current()->embedder);
  // And it has seen a batch of each size before the first query.
  EXPECT_THAT(openers_.last_model.lock()->batches(), ElementsAre(1, 4, 8));
}

TEST_F(CatalogueTest, AnUpdateOfAliasesHappensAsAWholeOrNotAtAll) {
  Create("north");
  Create("south");
  catalogue_->UpdateAliases({{"a", "north"}, {"b", "north"}}, {});
  ExpectError(Code::kNotFound, "'nowhere'", [&] {
    catalogue_->UpdateAliases({{"a", "south"}, {"b", "nowhere"}}, {});
  });
  ExpectError(Code::kNotFound, "no alias 'c'", [&] {
    catalogue_->UpdateAliases({{"a", "south"}}, {"c"});
  });
  ExpectError(Code::kInvalidArgument, "both set and removed", [&] {
    catalogue_->UpdateAliases({{"a", "south"}}, {"a"});
  });
  ExpectError(Code::kInvalidArgument, "cannot name an", [&] { Alias("a b", "south"); });
  EXPECT_EQ(catalogue_->Find("a"), catalogue_->Find("north"));
  EXPECT_THAT(catalogue_->UpdateAliases({{"a", "south"}}, {"b"}), ElementsAre(Pair("a", "south")));
  EXPECT_EQ(catalogue_->Find("a"), catalogue_->Find("south"));
  ExpectError(Code::kNotFound, "no collection 'b'", [&] { catalogue_->Find("b"); });
}

TEST_F(CatalogueTest, FindsNeverFailWhileAnAliasIsSwitched) {
  Create("north");
  Create("south");
  Alias("whales", "north");
  const auto north = catalogue_->Find("north"), south = catalogue_->Find("south");
  std::atomic<bool> done = false;
  std::vector<std::jthread> callers;
  for (int c = 0; c < 3; ++c) {
    callers.emplace_back([&] {
      const std::vector<float> query = {1, 0, 0};
      while (!done) {
        const auto found = catalogue_->Find("whales");
        EXPECT_TRUE(found == north || found == south);
        EXPECT_EQ(found->Current()->index->Search(query, {.k = 1}, {}).front().size(), 1u);
      }
    });
  }
  for (int i = 0; i < 30; ++i) Alias("whales", i % 2 == 0 ? "south" : "north");
  done = true;
}

TEST_F(CatalogueTest, DropsWhatNoAliasPointsTo) {
  Create("north");
  Alias("whales", "north");
  ExpectError(Code::kFailedPrecondition, "alias 'whales'", [&] { catalogue_->Drop("north"); });
  ExpectError(Code::kNotFound, "an alias 'whales'", [&] { catalogue_->Drop("whales"); });
  catalogue_->UpdateAliases({}, {"whales"});
  catalogue_->Drop("north");
  ExpectError(Code::kNotFound, "no collection 'north'", [&] { catalogue_->Find("north"); });
  EXPECT_TRUE(fs::is_empty(DataFile("collections")));
}

TEST_F(CatalogueTest, ADroppedCollectionServesTheCallsThatHoldItAndEndsInTheBackground) {
  Create("north");
  auto held = catalogue_->Find("north");
  catalogue_->Drop("north");
  const std::vector<float> query = {1, 0, 0};
  EXPECT_EQ(held->Current()->index->Search(query, {.k = 1}, {}).front().size(), 1u);
  held->live()->Remove({"north"});
  // A new one of the name waits until the old one's files are nobody's.
  auto created = std::async(std::launch::async, [&] { Create("north"); });
  EXPECT_EQ(created.wait_for(milliseconds(100)), std::future_status::timeout);
  EXPECT_TRUE(openers_.ended_on.empty());
  held.reset();
  created.get();
  ASSERT_EQ(openers_.ended_on.size(), 1u);
  EXPECT_NE(openers_.ended_on[0], std::this_thread::get_id());
  EXPECT_EQ(catalogue_->Describe("north").size(), 4);
}

TEST_F(CatalogueTest, WhatBelongsToTheConfigStays) {
  FakeOpeners::MakeIndex(folder_.path() / "index");
  config_.set_index((folder_.path() / "index").string());
  Load();
  ExpectError(Code::kFailedPrecondition, "config", [&] { catalogue_->Drop("default"); });
  Alias("whales", "default");
  EXPECT_EQ(catalogue_->Find("whales"), catalogue_->Find(""));
}

TEST_F(CatalogueTest, WithoutADataFolderThereAreNoCollectionsOfClients) {
  config_.clear_data();
  Load();
  ExpectError(Code::kFailedPrecondition, "no data folder", [&] { Create("north"); });
  ExpectError(Code::kFailedPrecondition, "no data folder", [&] { Alias("a", "b"); });
  ExpectError(Code::kFailedPrecondition, "no data folder", [&] { catalogue_->Drop("a"); });
}

TEST_F(CatalogueTest, RemovesWhatKilledServersLeft) {
  Create("north");
  catalogue_.reset();
  fs::create_directories(DataFile("collections/.making-south/index"));
  fs::create_directories(DataFile("collections/.dropping-east"));
  std::ofstream(DataFile("collections/.dropping-east/collection.json")) << "{}";
  std::ofstream(DataFile(".aliases.json.1.0.tmp")) << "half";
  Load();
  EXPECT_THAT(Names(), ElementsAre("north"));
  EXPECT_FALSE(fs::exists(DataFile("collections/.making-south")));
  EXPECT_FALSE(fs::exists(DataFile("collections/.dropping-east")));
  EXPECT_FALSE(fs::exists(DataFile(".aliases.json.1.0.tmp")));
}

TEST_F(CatalogueTest, NamesADamagedFileOfAliases) {
  Create("north");
  Alias("whales", "north");
  catalogue_.reset();
  std::string text;
  {
    std::ifstream file(DataFile("aliases.json"));
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  const size_t place = text.find("whales");
  ASSERT_NE(place, std::string::npos);
  text[place] = 'W';
  std::ofstream(DataFile("aliases.json")) << text;
  try {
    Load();
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kDataLoss);
    EXPECT_THAT(error.what(), HasSubstr("aliases.json"));
  }
}

TEST_F(CatalogueTest, OneDamagedCollectionDoesNotTakeTheOthersAway) {
  Create("north");
  Create("south");
  fs::remove(DataFile("collections/north/index/INDEX"));
  Load();
  EXPECT_NE(catalogue_->Find("south"), nullptr);
  ExpectError(Code::kUnavailable, "'north' could not be opened",
              [&] { catalogue_->Find("north"); });
  FakeOpeners::MakeIndex(DataFile("collections/north/index"));  // repaired
  catalogue_->Reload("north");
  EXPECT_NE(catalogue_->Find("north"), nullptr);
}

TEST_F(CatalogueTest, ReloadsWhatIsNewAndKeepsTheOldWhereItCannot) {
  FakeOpeners::MakeIndex(folder_.path() / "index");
  v1::ServedCollection& served = *config_.add_collection();
  served.set_name("whales");
  served.set_index((folder_.path() / "index").string());
  served.add_model("runs/a");
  served.set_read_only(true);
  Load();
  const auto before = catalogue_->Find("whales");
  catalogue_->Reload("whales");
  const auto after = catalogue_->Find("whales");
  EXPECT_NE(after->Current()->index, before->Current()->index);
  EXPECT_EQ(after->Current()->embedder, before->Current()->embedder);  // nothing new about it

  openers_.fingerprint = "f2";  // another model's than the index's
  ExpectError(Code::kFailedPrecondition, "f2", [&] { catalogue_->Reload("whales"); });
  openers_.fingerprint = "f1";
  fs::remove(folder_.path() / "index" / "INDEX");
  ExpectError(Code::kFailedPrecondition, "'whales' stays as it is",
              [&] { catalogue_->Reload("whales"); });
  EXPECT_EQ(catalogue_->Find("whales"), after);
}

TEST_F(CatalogueTest, ReloadOfAnIndexThatIsChangedKeepsItOpen) {
  Create("north");
  LiveIndex* before = LiveOf("north");
  before->Remove({"east"});
  EXPECT_EQ(catalogue_->Reload("north").size(), 3);
  EXPECT_EQ(LiveOf("north"), before);
}

class PublishTest : public CatalogueTest {
 protected:
  PublishTest() { FakeOpeners::MakeIndex(made_); }

  const fs::path made_ = folder_.path() / "data" / "jobs" / "7" / "index";
  const std::vector<std::string> runs_ = {(folder_.path() / "data/jobs/7/run").string()};
};

TEST_F(PublishTest, MovesTheIndexInAndPointsTheAliasToIt) {
  Create("old");
  Alias("whales", "old");
  catalogue_->Publish("whales-7", made_, runs_, "whales");
  EXPECT_FALSE(fs::exists(made_));
  EXPECT_EQ(catalogue_->Find("whales"), catalogue_->Find("whales-7"));
  EXPECT_TRUE(catalogue_->Describe("whales").accepts_images());
  Load();
  EXPECT_EQ(catalogue_->Find("whales"), catalogue_->Find("whales-7"));
  Create("more", "whales-7");  // its model has its name
  EXPECT_TRUE(catalogue_->Describe("more").accepts_images());
  // Called again, as after a kill, it finishes what there is.
  catalogue_->UpdateAliases({}, {"whales"});
  catalogue_->Publish("whales-7", made_, runs_, "whales");
  EXPECT_EQ(catalogue_->Find("whales"), catalogue_->Find("whales-7"));
}

TEST_F(PublishTest, ChangesNothingWhereItFails) {
  Create("old");
  Alias("whales", "old");
  ExpectError(Code::kFailedPrecondition, "'whales-7' cannot be published",
              [&] { catalogue_->Publish("whales-7", made_, {"runs/missing"}, "whales"); });
  openers_.fingerprint = "f2";
  ExpectError(Code::kFailedPrecondition, "f2",
              [&] { catalogue_->Publish("whales-7", made_, runs_, "whales"); });
  openers_.fingerprint = "f1";
  ExpectError(Code::kAlreadyExists, "'old'",
              [&] { catalogue_->Publish("old", made_, runs_, "whales"); });
  ExpectError(Code::kAlreadyExists, "'old'",
              [&] { catalogue_->Publish("whales-7", made_, runs_, "old"); });
  ExpectError(Code::kNotFound, "", [&] {
    catalogue_->Publish("whales-8", folder_.path() / "nothing", runs_, "whales");
  });
  EXPECT_TRUE(fs::exists(made_ / "INDEX"));
  EXPECT_THAT(Names(), ElementsAre("old"));
  EXPECT_EQ(catalogue_->Find("whales"), catalogue_->Find("old"));
  catalogue_->Publish("whales-7", made_, runs_, "whales");
  EXPECT_THAT(Names(), ElementsAre("old", "whales-7"));
}

TEST_F(CatalogueTest, ListsPageByPage) {
  for (const char* name : {"c", "a", "b"}) Create(name);
  v1::ListCollectionsRequest request;
  request.set_page_size(2);
  const v1::ListCollectionsResponse first = catalogue_->List(request);
  ASSERT_EQ(first.collections_size(), 2);
  EXPECT_EQ(first.collections(0).name(), "a");
  request.set_page_token(first.next_page_token());
  const v1::ListCollectionsResponse last = catalogue_->List(request);
  ASSERT_EQ(last.collections_size(), 1);
  EXPECT_EQ(last.collections(0).name(), "c");
  EXPECT_EQ(last.next_page_token(), "");
  request.set_page_size(1025);
  ExpectError(Code::kInvalidArgument, "page_size", [&] { catalogue_->List(request); });
}

TEST(CatalogueBeforeLoading, SaysThatItLoads) {
  const Catalogue catalogue;
  try {
    catalogue.Find("");
    FAIL() << "found";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnavailable);
  }
}

}  // namespace
}  // namespace fluke::serve
