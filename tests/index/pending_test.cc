// What waits for a commit beyond the memory that it may take.
#include <signal.h>
#include <sys/resource.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "index/exact_scan.h"
#include "index/layout.h"
#include "index/put_store.h"
#include "index/recall_trial.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using namespace fluke::testing;  // NOLINT: the fixtures of this room
namespace fs = std::filesystem;

// Every file of a folder, by name.
std::map<std::string, std::string> Contents(const fs::path& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::directory_iterator(folder)) {
    contents[entry.path().filename().string()] = ReadBytes(entry.path());
  }
  return contents;
}

std::set<std::string> Names(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

class SpilledIndexOf : public ::testing::TestWithParam<std::string> {};

TEST_P(SpilledIndexOf, IsTheSameToTheLastByte) {
  constexpr int64_t kDimension = 64, kCount = 3000;
  const auto vectors = ClusteredVectors(kCount, kDimension, 40, 1);
  const auto items = NumberedItems(kCount);
  TestFolder folder;
  std::map<uint64_t, std::map<std::string, std::string>> contents;
  // All in memory; all but the last spilled, one by one; some spilled.
  for (const uint64_t pending_bytes : {kPendingBytes, uint64_t{1}, uint64_t{200'000}}) {
    const fs::path index = folder.path() / StrCat(pending_bytes);
    const auto writer = CreateIndex(
        index, {.factory = GetParam(), .dimension = kDimension, .pending_bytes = pending_bytes});
    writer->Add(items, vectors);
    writer->Remove({IdOf(7), IdOf(2999)});
    writer->Add(NumberedItems(20, 100), RandomVectors(20, kDimension, 2));
    writer->Commit();
    contents[pending_bytes] = Contents(layout::SnapshotFolder(index, 1));
  }
  EXPECT_TRUE(contents[kPendingBytes].contains(layout::kManifestFile));
  EXPECT_TRUE(contents[1] == contents[kPendingBytes]);
  EXPECT_TRUE(contents[200'000] == contents[kPendingBytes]);
}

INSTANTIATE_TEST_SUITE_P(Factories, SpilledIndexOf,
                         ::testing::Values("Flat", "IVF8,Codes", "IVF8,Flat", "IVF8,PQ8x4fs,RFlat"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::erase(name, ',');
                           return name;
                         });

TEST(PendingChanges, KeepTheirOrderWhenReplacedAndRemovedAfterTheyWereSpilled) {
  constexpr int64_t kDimension = 4;
  TestFolder folder;
  MakeIndex(folder.path(), {.metric = "l2", .dimension = kDimension},
            RandomVectors(10, kDimension, 1));
  const auto writer = ContinueIndex(folder.path(), 100);  // some five vectors' worth
  // The outcome as a plain list of ids and vectors.
  std::vector<std::string> ids;
  std::map<std::string, std::vector<float>> vector_of;
  for (int64_t i = 0; i < 10; ++i) {
    ids.push_back(IdOf(i));
    const auto vector = OpenIndex(folder.path())->vector(i);
    vector_of[ids.back()] = vector;
  }
  const auto put = [&](int64_t i, uint64_t seed) {
    const auto vector = RandomVectors(1, kDimension, seed);
    writer->Add(NumberedItems(1, i), vector);
    if (!vector_of.contains(IdOf(i))) ids.push_back(IdOf(i));
    vector_of[IdOf(i)] = vector;
  };
  const auto remove = [&](int64_t i) {
    EXPECT_EQ(writer->Remove({IdOf(i)}), 1);
    std::erase(ids, IdOf(i));
  };
  for (int64_t i = 10; i < 60; ++i) put(i, static_cast<uint64_t>(i));
  put(3, 100);   // of the base
  put(12, 101);  // spilled long ago
  put(12, 102);
  put(59, 103);
  remove(4);
  remove(11);
  remove(40);
  for (int64_t i = 60; i < 80; ++i) put(i, static_cast<uint64_t>(i));
  put(13, 104);
  writer->Commit();
  const auto index = OpenIndex(folder.path());
  ASSERT_EQ(index->Describe().size, static_cast<int64_t>(ids.size()));
  for (size_t row = 0; row < ids.size(); ++row) {
    const Item item = index->item(static_cast<int64_t>(row));
    EXPECT_EQ(item.id, ids[row]);
    const int64_t number = std::stoll(item.id.substr(5));  // photo12
    EXPECT_EQ(item.identity, StrCat("whale", number % 7));
    EXPECT_EQ(item.metadata.at("camera"), StrCat("c", number % 2));
    EXPECT_EQ(index->vector(static_cast<int64_t>(row)), vector_of[item.id]) << item.id;
  }
}

TEST(PendingChanges, LeaveNoFileBehindAndWhatACrashLeftGoesWithTheNextWriter) {
  TestFolder folder;
  MakeIndex(folder.path(), {.dimension = 4}, RandomVectors(10, 4, 1));
  const fs::path snapshots = layout::SnapshotsFolder(folder.path());
  WriteBytes(snapshots / ".spill.123.4.tmp", "left over");
  EXPECT_EQ(Names(snapshots).size(), 2u);
  const auto writer = ContinueIndex(folder.path(), 1);
  writer->Add(NumberedItems(20, 10), RandomVectors(20, 4, 2));
  EXPECT_EQ(Names(snapshots), (std::set<std::string>{"000001"}));
  writer->Commit();
  EXPECT_EQ(Names(snapshots), (std::set<std::string>{"000001", "000002"}));
  EXPECT_EQ(OpenIndex(folder.path())->Describe().size, 30);
}

TEST(PendingChanges, SayWhereTheDiskIsFullAndCanGoOnWhenItIsNot) {
  TestFolder folder;
  MakeIndex(folder.path(), {.metric = "l2", .dimension = 4}, RandomVectors(10, 4, 1));
  const auto writer = ContinueIndex(folder.path(), 1);
  writer->Add(NumberedItems(1, 10), RandomVectors(1, 4, 2));
  // A file-size limit stands in for a full disk wherever the tests run.
  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit tight = before;
  tight.rlim_cur = 8;
  setrlimit(RLIMIT_FSIZE, &tight);
  const auto late = RandomVectors(1, 4, 3);
  ExpectError(absl::StatusCode::kResourceExhausted, {layout::SpillFile(folder.path()).string()},
              [&] { writer->Add(NumberedItems(1, 11), late); });
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(OpenIndex(folder.path())->Describe().size, 10);
  writer->Add(NumberedItems(1, 11), late);
  writer->Commit();
  const auto index = OpenIndex(folder.path());
  EXPECT_EQ(index->Describe().size, 12);
  EXPECT_EQ(index->item(10).identity, "whale3");  // 10 % 7
  EXPECT_EQ(index->vector(10), RandomVectors(1, 4, 2));
  EXPECT_EQ(index->vector(11), late);
}

TEST(PutStore, KeepsWhateverAnItemCarries) {
  TestFolder folder;
  const Item odd = {.id = std::string("a\0b", 3),
                    .identity = "",
                    .path = "x, \"y\"\n",
                    .metadata = {{"", "nameless"}, {"note", std::string(70000, 'n')}}};
  for (const uint64_t most_bytes : {uint64_t{1}, uint64_t{1} << 30}) {
    PutStore store(2, {most_bytes, folder.path() / "spill"});
    store.Add(odd, std::vector<float>{1, 2});
    store.Add(ItemCalled("last"), std::vector<float>{3, 4});
    ASSERT_EQ(store.size(), 2u);
    const PutStore moved = std::move(store);
    EXPECT_EQ(moved.item(0).id, odd.id);
    EXPECT_EQ(moved.item(0).identity, "");
    EXPECT_EQ(moved.item(0).path, odd.path);
    EXPECT_EQ(moved.item(0).metadata, odd.metadata);
    EXPECT_EQ(moved.item(1).id, "last");
    moved.Release();
    EXPECT_EQ(moved.vector(0)[1], 2);
    EXPECT_EQ(moved.vector(1)[0], 3);
  }
}

// Its truth is found in blocks of rows; the scan over all at once must agree.
TEST(RecallTrial, KnowsTheTrueNeighboursOfMoreRowsThanABlockHolds) {
  constexpr int64_t kDimension = 2048, kCount = 20000;  // 41 million floats
  std::vector<float> rows = ClusteredVectors(kCount / 20, kDimension, 100, 1);
  for (int64_t copy = 1; copy < 20; ++copy) {  // shifted copies are enough
    for (int64_t i = 0; i < kCount / 20 * kDimension; ++i) {
      rows.push_back(rows[static_cast<size_t>(i)] + 0.001f * static_cast<float>(copy * (i % 7)));
    }
  }
  std::vector<std::pair<int64_t, int64_t>> done;
  const RecallTrial trial(Similarity::kL2, rows, kDimension,
                          [&](int64_t begin, int64_t end) { done.emplace_back(begin, end); });
  EXPECT_GT(done.size(), 1u);
  EXPECT_EQ(done.back().second, kCount);
  const auto search = [&](std::span<const float> queries, std::span<const int64_t> exclude_rows,
                          int found) {
    std::vector<std::vector<int64_t>> results;
    for (const auto& neighbors : ScanExactly(Similarity::kL2, queries, rows, kDimension, found,
                                             {.exclude_rows = exclude_rows})) {
      results.push_back(Rows(neighbors));
    }
    return results;
  };
  EXPECT_EQ(trial.Recall(search, RecallTrial::kTop), 1);
  EXPECT_EQ(trial.Recall(search, RecallTrial::kTop / 2), 0.5);
}

}  // namespace
}  // namespace fluke
