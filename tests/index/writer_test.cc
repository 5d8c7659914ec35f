#include "index/writer.h"

#include <unistd.h>

#include <limits>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "index/layout.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using namespace fluke::testing;  // NOLINT: the fixtures of this room
namespace fs = std::filesystem;

std::vector<std::string> Ids(const VectorIndex& index) {
  std::vector<std::string> ids;
  for (int64_t row = 0; row < index.Describe().size; ++row) ids.push_back(index.item(row).id);
  return ids;
}

class IndexWriterOf : public ::testing::TestWithParam<std::string> {
 protected:
  IndexOptions Options() const {
    return {.factory = GetParam(), .metric = "l2", .dimension = 8, .fingerprint = "model a"};
  }
  // Is every item found first by its own vector?
  static void ExpectConsistent(const VectorIndex& index) {
    const int64_t size = index.Describe().size;
    int64_t found = 0;
    for (int64_t row = 0; row < size; ++row) {
      const auto result = index.Search(index.vector(row), {.k = 1})[0];
      ASSERT_EQ(result.size(), 1u);
      found += result[0].row == row;
      EXPECT_EQ(index.FindItem(index.item(row).id), row);
    }
    EXPECT_GE(static_cast<double>(found), 0.97 * static_cast<double>(size));
  }
  TestFolder folder_;
};

TEST_P(IndexWriterOf, KeepsItemsWithAllTheyCarry) {
  const auto vectors = RandomVectors(500, 8, 1);
  const auto index = MakeIndex(folder_.path(), Options(), vectors);
  const IndexInfo info = index->Describe();
  EXPECT_EQ(info.size, 500);
  EXPECT_EQ(info.dimension, 8);
  EXPECT_EQ(info.metric, "l2");
  EXPECT_EQ(info.fingerprint, "model a");
  EXPECT_EQ(info.snapshot, 1);
  EXPECT_GT(info.bytes, 500u * 8 * 4);
  const Item item = index->item(9);
  EXPECT_EQ(item.id, "photo9");
  EXPECT_EQ(item.identity, "whale2");
  EXPECT_EQ(item.path, "photo9.jpg");
  EXPECT_EQ(item.metadata.at("camera"), "c1");
  EXPECT_EQ(index->FindItem("photo9"), 9);
  EXPECT_EQ(index->FindItem("photo500"), std::nullopt);
  EXPECT_EQ(index->vector(9),
            std::vector<float>(vectors.begin() + 9 * 8, vectors.begin() + 10 * 8));
}

TEST_P(IndexWriterOf, AddsReplacesAndRemovesInOneCommit) {
  MakeIndex(folder_.path(), Options(), RandomVectors(600, 8, 2));
  const auto writer = ContinueIndex(folder_.path());
  const auto fresh = RandomVectors(60, 8, 3);
  writer->Add(NumberedItems(60, 590), fresh);  // photos 590..599 replaced, 600..649 new
  EXPECT_EQ(writer->Remove({"photo0", "photo649", "nobody", "photo0"}), 2);
  EXPECT_EQ(writer->Commit(), 2);
  const auto index = OpenIndex(folder_.path());
  EXPECT_EQ(index->Describe().size, 648);
  EXPECT_EQ(index->FindItem("photo0"), std::nullopt);
  EXPECT_EQ(index->FindItem("photo649"), std::nullopt);
  EXPECT_EQ(index->FindItem("photo590"), 589);  // in its place, one row up
  EXPECT_EQ(index->vector(589), std::vector<float>(fresh.begin(), fresh.begin() + 8));
  ExpectConsistent(*index);
}

TEST_P(IndexWriterOf, AppendsAcrossManyCommits) {
  MakeIndex(folder_.path(), Options(), RandomVectors(300, 8, 4));
  const auto writer = ContinueIndex(folder_.path());
  for (int64_t i = 0; i < 5; ++i) {  // past twice the size that was trained on
    writer->Add(NumberedItems(150, 300 + 150 * i),
                RandomVectors(150, 8, static_cast<uint64_t>(5 + i)));
    EXPECT_EQ(writer->Commit(), 2 + i);
  }
  const auto index = OpenIndex(folder_.path());
  EXPECT_EQ(index->Describe().size, 1050);
  ExpectConsistent(*index);
}

TEST_P(IndexWriterOf, CanBeEmptiedAndFilledAgain) {
  MakeIndex(folder_.path(), Options(), RandomVectors(300, 8, 6));
  const auto writer = ContinueIndex(folder_.path());
  std::vector<std::string> ids;
  for (int64_t i = 0; i < 300; ++i) ids.push_back(IdOf(i));
  EXPECT_EQ(writer->Remove(ids), 300);
  writer->Commit();
  EXPECT_EQ(OpenIndex(folder_.path())->Describe().size, 0);
  writer->Add(NumberedItems(200), RandomVectors(200, 8, 7));
  writer->Commit();
  ExpectConsistent(*OpenIndex(folder_.path()));
}

INSTANTIATE_TEST_SUITE_P(Factories, IndexWriterOf,
                         ::testing::Values("Flat", "IVF8,Codes", "IVF8,Flat", "HNSW16",
                                           "IVF8,PQ4x4fs,RFlat", "PCA8,IVF8,Flat"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::erase(name, ',');
                           return name;
                         });

TEST(IndexWriter, TakesBackWhatTheSameCommitBrought) {
  TestFolder folder;
  const auto writer = CreateIndex(folder.path(), {.dimension = 2});
  writer->Add({ItemCalled("a"), ItemCalled("b")}, std::vector<float>{1, 0, 0, 1});
  EXPECT_EQ(writer->Remove({"a"}), 1);
  EXPECT_EQ(writer->Remove({"a"}), 0);
  writer->Add({ItemCalled("a")}, std::vector<float>{0, -1});
  writer->Add({ItemCalled("b")}, std::vector<float>{-1, 0});
  writer->Commit();
  const auto index = OpenIndex(folder.path());
  EXPECT_EQ(Ids(*index), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(index->vector(0), (std::vector<float>{0, -1}));
  EXPECT_EQ(index->vector(1), (std::vector<float>{-1, 0}));
}

TEST(IndexWriter, ForgetsWhatWasNotCommitted) {
  TestFolder folder;
  MakeIndex(folder.path(), {.dimension = 4}, RandomVectors(10, 4, 1));
  ContinueIndex(folder.path())->Add(NumberedItems(5, 10), RandomVectors(5, 4, 2));
  EXPECT_EQ(OpenIndex(folder.path())->Describe().size, 10);
}

TEST(IndexWriter, MakesNoSnapshotOfNoChange) {
  TestFolder folder;
  MakeIndex(folder.path(), {.dimension = 4}, RandomVectors(10, 4, 1));
  const auto writer = ContinueIndex(folder.path());
  EXPECT_EQ(writer->Remove({"nobody"}), 0);
  EXPECT_EQ(writer->Commit(), 1);
  EXPECT_EQ(layout::ListSnapshots(folder.path()), (std::vector<int64_t>{1}));
}

TEST(IndexWriter, NormalisesForCosineOnceAndForAll) {
  TestFolder folder;
  const auto index = MakeIndex(folder.path() / "a", {.dimension = 3}, RandomVectors(200, 3, 3));
  std::vector<float> stored;
  for (int64_t row = 0; row < 200; ++row) {
    const auto vector = index->vector(row);
    stored.insert(stored.end(), vector.begin(), vector.end());
  }
  const auto again = MakeIndex(folder.path() / "b", {.dimension = 3}, stored);
  for (int64_t row = 0; row < 200; ++row) EXPECT_EQ(again->vector(row), index->vector(row));
}

TEST(IndexWriter, NamesTheItemWhoseVectorCannotBeUsedAndTakesNoneOfTheCall) {
  TestFolder folder;
  const auto writer = CreateIndex(folder.path(), {.dimension = 2});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto kInvalid = absl::StatusCode::kInvalidArgument;
  const auto add = [&](const std::vector<Item>& items, const std::vector<float>& vectors) {
    return [&writer, items, vectors] { writer->Add(items, vectors); };
  };
  ExpectError(kInvalid, {"photo1", "zero"}, add(NumberedItems(2), {1, 0, 0, 0}));
  ExpectError(kInvalid, {"photo1", "nan"}, add(NumberedItems(2), {1, 0, 0, nan}));
  ExpectError(kInvalid, {"3 values", "2 items"}, add(NumberedItems(2), {1, 0, 0}));
  ExpectError(kInvalid, {"'same'"}, add({ItemCalled("same"), ItemCalled("same")}, {1, 0, 0, 1}));
  ExpectError(kInvalid, {"no id"}, add({ItemCalled("")}, {1, 0}));
  writer->Commit();
  EXPECT_EQ(OpenIndex(folder.path())->Describe().size, 0);
}

TEST(IndexWriter, LetsInOneWriterAtATime) {
  TestFolder folder;
  MakeIndex(folder.path(), {.dimension = 4}, RandomVectors(10, 4, 1));
  auto first = ContinueIndex(folder.path());
  ExpectError(absl::StatusCode::kFailedPrecondition, {folder.path().string(), "another writer"},
              [&] { ContinueIndex(folder.path()); });
  ExpectError(absl::StatusCode::kFailedPrecondition, {"another writer"},
              [&] { ReplaceIndex(folder.path(), {.dimension = 4}); });
  first.reset();
  EXPECT_NO_THROW(ContinueIndex(folder.path()));
}

TEST(IndexWriter, RefusesToCreateOverAnIndexButReplacesItWhenAsked) {
  TestFolder folder;
  const auto before = MakeIndex(folder.path(), {.dimension = 4}, RandomVectors(10, 4, 1));
  ExpectError(absl::StatusCode::kAlreadyExists, {folder.path().string()},
              [&] { CreateIndex(folder.path(), {.dimension = 2}); });
  const auto writer = ReplaceIndex(folder.path(), {.dimension = 2});
  writer->Add(NumberedItems(3), RandomVectors(3, 2, 2));
  EXPECT_EQ(OpenIndex(folder.path())->Describe().dimension, 4);  // until the commit
  EXPECT_EQ(writer->Commit(), 2);
  EXPECT_EQ(OpenIndex(folder.path())->Describe().dimension, 2);
  EXPECT_EQ(before->Search(before->vector(3), {.k = 1})[0][0].row, 3);  // the opened one lives on
}

TEST(IndexWriter, KeepsTheLastThreeSnapshots) {
  TestFolder folder;
  const auto writer = CreateIndex(folder.path(), {.dimension = 4});
  for (int64_t i = 0; i < 6; ++i) {
    writer->Add(NumberedItems(1, i), RandomVectors(1, 4, static_cast<uint64_t>(i)));
    writer->Commit();
  }
  EXPECT_EQ(layout::ListSnapshots(folder.path()), (std::vector<int64_t>{4, 5, 6}));
}

TEST(IndexWriter, ReadersSeeEachCommitWholeWhileItWrites) {
  TestFolder folder;
  const auto writer = CreateIndex(folder.path(), {.dimension = 4});
  writer->Add(NumberedItems(10), RandomVectors(10, 4, 1));
  writer->Commit();
  std::thread reader([&] {
    int64_t last = 10;
    for (int i = 0; i < 60; ++i) {
      const int64_t size = OpenIndex(folder.path())->Describe().size;
      EXPECT_EQ(size % 10, 0);
      EXPECT_GE(size, last);
      last = size;
    }
  });
  for (int64_t i = 1; i <= 15; ++i) {
    writer->Add(NumberedItems(10, 10 * i), RandomVectors(10, 4, static_cast<uint64_t>(i + 1)));
    writer->Commit();
  }
  reader.join();
}

TEST(IndexWriter, SaysThatAFolderCannotBeWritten) {
  TestFolder folder;
  fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
  // Root may write everywhere: somebody else tries.
  constexpr uid_t kNobody = 65534;
  const bool is_root = geteuid() == 0;
  if (is_root) {
    fs::permissions(folder.path(), fs::perms::others_read | fs::perms::others_exec,
                    fs::perm_options::add);
    ASSERT_EQ(seteuid(kNobody), 0);
  }
  ExpectError(absl::StatusCode::kPermissionDenied, {"index"},
              [&] { CreateIndex(folder.path() / "index", {.dimension = 4}); });
  if (is_root) {
    ASSERT_EQ(seteuid(0), 0);
  }
  fs::permissions(folder.path(), fs::perms::owner_all);
}

TEST(CheckFingerprint, RefusesAnotherModelAndNamesBoth) {
  IndexInfo index;
  index.fingerprint = "aaaa";
  ExpectError(absl::StatusCode::kFailedPrecondition, {"aaaa", "bbbb", "the model runs/b"},
              [&] { CheckFingerprint(index, "bbbb", "the model runs/b"); });
  EXPECT_NO_THROW(CheckFingerprint(index, "aaaa", "the model runs/a"));
  EXPECT_NO_THROW(CheckFingerprint(index, "", "a folder from elsewhere"));
}

}  // namespace
}  // namespace fluke
