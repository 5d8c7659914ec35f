// Changing an index while it is searched: what is acknowledged is seen and stays.
#include "index/live_index.h"

#include <atomic>
#include <limits>
#include <map>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/crc32c.h"
#include "common/random.h"
#include "index/change_log.h"
#include "index/layout.h"
#include "index/verify.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using namespace fluke::testing;  // NOLINT: the fixtures of this room
namespace fs = std::filesystem;

constexpr int64_t kDimension = 12;
const LiveIndexOptions kByHand{.compact_after_rows = -1};

std::vector<float> VectorOf(uint64_t seed) { return RandomVectors(1, kDimension, 1000 + seed); }

struct Expected {
  Item item;
  std::vector<float> vector;  // as given
};
using Model = std::map<std::string, Expected>;

// Item for item, vector for vector, and the same answers as a plain scan of the model.
void ExpectHolds(const VectorIndex& index, const Model& model, Similarity similarity) {
  ASSERT_EQ(index.Describe().size, static_cast<int64_t>(model.size()));
  std::vector<float> vectors;
  std::vector<std::string> ids;
  for (const auto& [id, expected] : model) {
    const auto row = index.FindItem(id);
    ASSERT_TRUE(row.has_value()) << id;
    const Item item = index.item(*row);
    EXPECT_EQ(item.id, id);
    EXPECT_EQ(item.identity, expected.item.identity) << id;
    EXPECT_EQ(item.path, expected.item.path) << id;
    EXPECT_EQ(item.metadata, expected.item.metadata) << id;
    std::vector<float> unit = expected.vector;
    Normalise(similarity, unit);
    EXPECT_EQ(index.vector(*row), unit) << id;
    vectors.insert(vectors.end(), expected.vector.begin(), expected.vector.end());
    ids.push_back(id);
  }
  if (model.empty()) return;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    const std::vector<float> query = RandomVectors(1, kDimension, 77 + seed);
    const auto expected = NaiveSearch(similarity, query, vectors, 10);
    const auto found = index.Search(query, {.k = 10}).front();
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(index.item(found[i].row).id, ids[static_cast<size_t>(expected[i].row)]);
      EXPECT_NEAR(found[i].score, expected[i].score, 1e-4);
    }
  }
}

struct Kind {
  const char* name;
  const char* factory;
  const char* metric;
};

class LiveIndexOf : public ::testing::TestWithParam<Kind> {
 protected:
  LiveIndexOf() {
    const auto vectors = RandomVectors(kFirst, kDimension, 5);
    MakeIndex(folder_,
              {.factory = GetParam().factory,
               .metric = GetParam().metric,
               .dimension = kDimension,
               .target_recall = GetParam().factory == std::string("Flat") ? 0.0 : 1.0},
              vectors);
    const auto items = NumberedItems(kFirst);
    for (size_t i = 0; i < items.size(); ++i) {
      const auto begin = vectors.begin() + static_cast<int64_t>(i) * kDimension;
      model_[items[i].id] = {items[i], {begin, begin + kDimension}};
    }
  }
  Similarity similarity() const { return ParseSimilarity(GetParam().metric); }

  void Upsert(LiveIndex& live, int64_t number, uint64_t seed) {
    Item item = NumberedItems(1, number).front();
    item.metadata["seed"] = StrCat(seed);
    const auto vector = VectorOf(seed);
    live.Upsert({item}, vector);
    model_[item.id] = {item, vector};
  }
  void Remove(LiveIndex& live, int64_t number) {
    EXPECT_EQ(live.Remove({IdOf(number)}), static_cast<int64_t>(model_.erase(IdOf(number))));
  }
  void Update(LiveIndex& live, int64_t number, const std::string& identity) {
    const auto found = model_.find(IdOf(number));
    const Item item{.id = IdOf(number), .identity = identity, .path = "moved", .metadata = {}};
    if (found == model_.end()) {
      ExpectError(absl::StatusCode::kNotFound, {IdOf(number)}, [&] { live.Update({item}); });
      return;
    }
    live.Update({item});
    found->second.item = item;
  }

  static constexpr int64_t kFirst = 300;
  TestFolder test_folder_;
  fs::path folder_ = test_folder_.path() / "index";
  Model model_;
};

TEST_P(LiveIndexOf, HoldsWhatAModelOfItHoldsThroughAnyChanges) {
  Random random(RandomKey({91}));
  auto live = OpenLiveIndex(folder_, kByHand);
  for (uint64_t step = 0; step < 150; ++step) {
    const auto number = static_cast<int64_t>(random.Below(400));
    switch (random.Below(5)) {
      case 0:
      case 1:
        Upsert(*live, number, step);
        break;
      case 2:
        Remove(*live, number);
        break;
      case 3:
        Update(*live, number, StrCat("whale", step));
        break;
      default:
        if (step % 4 == 0) live->Compact();
        if (step % 4 == 1) {
          live.reset();
          live = OpenLiveIndex(folder_, kByHand);
        }
    }
    if (step % 10 == 0) ExpectHolds(*live->Current(), model_, similarity());
  }
  ExpectHolds(*live->Current(), model_, similarity());
  // Another process that only reads sees the same.
  ExpectHolds(*OpenIndex(folder_), model_, similarity());
  live->Compact();
  ExpectHolds(*live->Current(), model_, similarity());
  ExpectHolds(*OpenIndex(folder_), model_, similarity());
}

TEST_P(LiveIndexOf, IsContinuedByAWriterThatFoldsTheLogIn) {
  {
    const auto live = OpenLiveIndex(folder_, kByHand);
    Upsert(*live, 7, 1);
    Upsert(*live, 1000, 2);
    Remove(*live, 8);
  }
  {
    const auto writer = ContinueIndex(folder_);
    const auto vector = VectorOf(3);
    writer->Add(NumberedItems(1, 2000), vector);
    writer->Commit();
    model_[IdOf(2000)] = {NumberedItems(1, 2000).front(), vector};
  }
  const auto opened = OpenIndex(folder_);
  EXPECT_EQ(opened->Describe().snapshot, 2);
  ExpectHolds(*opened, model_, similarity());
  const auto live = OpenLiveIndex(folder_, kByHand);
  Remove(*live, 1000);
  ExpectHolds(*live->Current(), model_, similarity());
}

TEST_P(LiveIndexOf, LeavesAVersionAsItWasForThoseWhoHoldIt) {
  const auto live = OpenLiveIndex(folder_, kByHand);
  Upsert(*live, 500, 1);
  const auto held = live->Current();
  const Model then = model_;
  Upsert(*live, 500, 2);
  Upsert(*live, 501, 3);
  Remove(*live, 3);
  Update(*live, 4, "another");
  ExpectHolds(*held, then, similarity());
  live->Compact();
  ExpectHolds(*held, then, similarity());
  ExpectHolds(*live->Current(), model_, similarity());
}

INSTANTIATE_TEST_SUITE_P(Kinds, LiveIndexOf,
                         ::testing::Values(Kind{"flat_cosine", "Flat", "cosine"},
                                           Kind{"flat_l2", "Flat", "l2"},
                                           Kind{"flat_ip", "Flat", "ip"},
                                           Kind{"ivf", "IVF4,Flat", "cosine"}),
                         [](const auto& test) { return test.param.name; });

// An index of 40 items, and what a live one wrote after it.
class LoggedIndex : public ::testing::Test {
 protected:
  LoggedIndex() { MakeIndex(folder_, {.dimension = kDimension}, RandomVectors(40, kDimension, 5)); }
  void UpsertMore(int64_t from, int64_t count) {
    const auto live = OpenLiveIndex(folder_, kByHand);
    for (int64_t i = from; i < from + count; ++i) {
      live->Upsert(NumberedItems(1, i), VectorOf(static_cast<uint64_t>(i)));
    }
  }
  int64_t OpenedSize() const { return OpenIndex(folder_)->Describe().size; }
  fs::path Segment(int64_t number) const { return layout::LogSegment(folder_, number); }

  TestFolder test_folder_;
  fs::path folder_ = test_folder_.path() / "index";
};

TEST_F(LoggedIndex, LosesOnlyTheChangeThatACrashCutOff) {
  UpsertMore(100, 3);
  const std::string whole = ReadBytes(Segment(1));
  UpsertMore(103, 1);
  ASSERT_EQ(OpenedSize(), 44);
  ASSERT_EQ(layout::ListLogSegments(folder_), (std::vector<int64_t>{1, 2}));
  const std::string last = ReadBytes(Segment(2));
  for (size_t size = 36; size < last.size(); ++size) {
    WriteBytes(Segment(2), last.substr(0, size));
    ASSERT_EQ(OpenedSize(), 43) << size;
  }
  // Blocks that were made longer but never written.
  WriteBytes(Segment(2), last.substr(0, 36) + std::string(500, '\0'));
  EXPECT_EQ(OpenedSize(), 43);
  WriteBytes(Segment(2), last + std::string(500, '\0'));
  EXPECT_EQ(OpenedSize(), 44);
  // It is cut off, and the log goes on.
  UpsertMore(200, 2);
  EXPECT_EQ(OpenedSize(), 46);
  UpsertMore(300, 1);
  EXPECT_EQ(OpenedSize(), 47);
}

// Whose checksums are right: forged.
TEST_F(LoggedIndex, RefusesASegmentWhoseRecordsCannotBeNumbered) {
  for (const int64_t first : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min(),
                              std::numeric_limits<int64_t>::max()}) {
    std::string header = "FLUKELOG";
    const auto put = [&](const auto& value) {
      header.append(reinterpret_cast<const char*>(&value), sizeof(value));
    };
    put(uint32_t{1});
    put(static_cast<uint32_t>(kDimension));
    put(int64_t{1});
    put(first);
    put(Crc32c(header));
    ExpectError(absl::StatusCode::kDataLoss, {"a.log", "begins with record"}, [&] {
      ReadSegment(header, /*last=*/true, "a.log", [](int64_t, const v1::ChangeRecord&) {});
    });
  }
}

// A power failure while a record of several sectors is written.
TEST_F(LoggedIndex, LosesOnlyTheChangeThatLacksSectors) {
  UpsertMore(100, 3);
  {
    const auto live = OpenLiveIndex(folder_, kByHand);
    live->Upsert(NumberedItems(40, 200), RandomVectors(40, kDimension, 6));
  }
  ASSERT_EQ(OpenedSize(), 83);
  const std::string last = ReadBytes(Segment(2));
  const auto without = [&](size_t from, size_t to) {
    std::string torn = last;
    std::fill(torn.begin() + static_cast<int64_t>(from), torn.begin() + static_cast<int64_t>(to),
              '\0');
    WriteBytes(Segment(2), torn);
  };
  ASSERT_GT(last.size(), 1536u);
  for (size_t sector = 0; sector < last.size(); sector += 512) {
    without(std::max<size_t>(sector, 36), std::min(sector + 512, last.size()));
    ASSERT_EQ(OpenedSize(), 43) << sector;
    without(std::max<size_t>(sector, 36), last.size());
    ASSERT_EQ(OpenedSize(), 43) << sector;
  }
  // A few zeros elsewhere are damage.
  without(600, 640);
  ExpectError(absl::StatusCode::kDataLoss, {Segment(2).string()}, [&] { OpenedSize(); });
}

TEST_F(LoggedIndex, SaysWhereItIsDamagedWhateverBitFlips) {
  UpsertMore(100, 3);
  UpsertMore(200, 1);
  for (const int64_t number : {1, 2}) {
    const std::string good = ReadBytes(Segment(number));
    for (size_t place = 0; place < good.size(); ++place) {
      std::string bad = good;
      bad[place] = static_cast<char>(bad[place] ^ (1 << place % 8));
      WriteBytes(Segment(number), bad);
      ExpectError(absl::StatusCode::kDataLoss, {Segment(number).string()}, [&] { OpenedSize(); });
    }
    WriteBytes(Segment(number), good);
  }
  EXPECT_EQ(OpenedSize(), 44);
}

TEST_F(LoggedIndex, MissesASegmentAndTheEndOfOneThatIsFollowedByAnother) {
  UpsertMore(100, 3);
  UpsertMore(200, 1);
  const std::string good = ReadBytes(Segment(1));
  for (size_t size = 0; size < good.size(); size += 7) {
    WriteBytes(Segment(1), good.substr(0, size));
    ExpectError(absl::StatusCode::kDataLoss, {"wal"}, [&] { OpenedSize(); });
  }
  fs::remove(Segment(1));
  ExpectError(absl::StatusCode::kDataLoss, {Segment(2).string(), "missing"}, [&] { OpenedSize(); });
}

TEST_F(LoggedIndex, KeepsEveryChangeWhenTheLiveSnapshotIsDamaged) {
  UpsertMore(100, 3);
  {
    const auto live = OpenLiveIndex(folder_, kByHand);
    EXPECT_EQ(live->Compact(), 2);
    live->Upsert(NumberedItems(1, 200), VectorOf(200));
    live->Remove({IdOf(0)});
  }
  ASSERT_EQ(OpenedSize(), 43);
  WriteBytes(layout::SnapshotFolder(folder_, 2) / layout::kItemsFile, "damaged");
  const auto opened = OpenIndex(folder_);
  EXPECT_EQ(opened->Describe().snapshot, 1);
  EXPECT_EQ(opened->Describe().size, 43);
  EXPECT_TRUE(opened->FindItem(IdOf(100)).has_value());
  EXPECT_TRUE(opened->FindItem(IdOf(200)).has_value());
  EXPECT_FALSE(opened->FindItem(IdOf(0)).has_value());
}

TEST_F(LoggedIndex, CompactionsRemoveWhatNoKeptSnapshotNeeds) {
  const auto live = OpenLiveIndex(folder_, kByHand);
  for (int64_t i = 0; i < 6; ++i) {
    live->Upsert(NumberedItems(1, 100 + i), VectorOf(static_cast<uint64_t>(i)));
    EXPECT_EQ(live->Compact(), 2 + i);
  }
  EXPECT_EQ(live->Compact(), 7) << "nothing changed";
  // Snapshots 5, 6 and 7 stay, and what the oldest of them needs: the changes after it.
  EXPECT_EQ(layout::ListSnapshots(folder_), (std::vector<int64_t>{5, 6, 7}));
  EXPECT_EQ(layout::ListLogSegments(folder_), (std::vector<int64_t>{5, 6}));
}

TEST_F(LoggedIndex, TravelsBackToEverySnapshotThatIsKept) {
  const auto live = OpenLiveIndex(folder_, kByHand);
  live->Upsert(NumberedItems(1, 100), VectorOf(1));
  live->Compact();
  live->Remove({IdOf(100), IdOf(1)});
  EXPECT_EQ(OpenIndexAt(folder_, 1)->Describe().size, 40);
  EXPECT_FALSE(OpenIndexAt(folder_, 1)->FindItem(IdOf(100)).has_value());
  EXPECT_EQ(OpenIndexAt(folder_, 2)->Describe().size, 41);
  EXPECT_EQ(OpenedSize(), 39);
  ExpectError(absl::StatusCode::kNotFound, {"snapshot 3", "1, 2"},
              [&] { OpenIndexAt(folder_, 3); });
}

TEST_F(LoggedIndex, CompactsInTheBackground) {
  const auto live = OpenLiveIndex(folder_, {.compact_after_rows = 10});
  for (int64_t i = 0; i < 30; ++i) {
    live->Upsert(NumberedItems(1, 100 + i), VectorOf(static_cast<uint64_t>(i)));
  }
  for (int wait = 0; wait < 600 && live->Current()->Describe().snapshot == 1; ++wait) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_GT(live->Current()->Describe().snapshot, 1);
  EXPECT_EQ(live->Current()->Describe().size, 70);
}

TEST_F(LoggedIndex, RefusesBadItemsBeforeTheyAreLogged) {
  const auto live = OpenLiveIndex(folder_, kByHand);
  const auto bytes = [&] { return layout::ListLogSegments(folder_).size(); };
  ExpectError(absl::StatusCode::kInvalidArgument, {"no id"},
              [&] { live->Upsert({ItemCalled("")}, VectorOf(1)); });
  ExpectError(absl::StatusCode::kInvalidArgument, {"'a'", "'path'"}, [&] {
    live->Upsert({{.id = "a", .identity = "", .path = "", .metadata = {{"path", "x"}}}},
                 VectorOf(1));
  });
  ExpectError(absl::StatusCode::kInvalidArgument, {"'a'"}, [&] {
    live->Upsert({ItemCalled("a")}, std::vector<float>(kDimension, std::nanf("")));
  });
  ExpectError(absl::StatusCode::kInvalidArgument, {"dimension, 12"},
              [&] { live->Upsert({ItemCalled("a")}, std::vector<float>(3, 1.0f)); });
  ExpectError(absl::StatusCode::kInvalidArgument, {"'a'"}, [&] {
    live->Upsert({ItemCalled("a"), ItemCalled("a")}, RandomVectors(2, 12, 1));
  });
  EXPECT_EQ(bytes(), 0u);
  EXPECT_EQ(live->Current()->Describe().size, 40);
}

TEST_F(LoggedIndex, HasOneWriterAtATime) {
  const auto live = OpenLiveIndex(folder_, kByHand);
  EXPECT_THROW(OpenLiveIndex(folder_, kByHand), Error);
  EXPECT_THROW(ContinueIndex(folder_), Error);
}

TEST_F(LoggedIndex, DoesNotMixUpTheLogOfAnIndexThatWasReplaced) {
  UpsertMore(100, 3);
  {
    const auto writer = ReplaceIndex(folder_, {.dimension = kDimension});
    writer->Add(NumberedItems(5), RandomVectors(5, kDimension, 9));
    writer->Commit();
  }
  EXPECT_EQ(OpenedSize(), 5);
  UpsertMore(300, 2);
  EXPECT_EQ(OpenedSize(), 7);
  // The one before, should the new one be damaged, has its own changes alone.
  fs::remove(layout::SnapshotFolder(folder_, 2) / layout::kVectorsFile);
  EXPECT_EQ(OpenedSize(), 43);
}

TEST_F(LoggedIndex, IsReplacedWhateverBecameOfTheLog) {
  UpsertMore(100, 3);
  UpsertMore(200, 1);
  WriteBytes(Segment(1), "damaged");
  WriteBytes(Segment(2), "");
  ExpectError(absl::StatusCode::kDataLoss, {Segment(1).string()}, [&] { OpenedSize(); });
  {
    const auto writer = ReplaceIndex(folder_, {.dimension = kDimension});
    writer->Add(NumberedItems(5), RandomVectors(5, kDimension, 9));
    writer->Commit();
  }
  EXPECT_EQ(OpenedSize(), 5);
  UpsertMore(300, 2);
  EXPECT_EQ(OpenedSize(), 7);
}

// Version 1 of the format without the manifest's "log", as it was written before there was one.
TEST_F(LoggedIndex, GoesOnWithAnIndexFromBeforeThereWasALog) {
  const fs::path path = layout::SnapshotFolder(folder_, 1) / layout::kManifestFile;
  auto manifest = nlohmann::json::parse(ReadBytes(path));
  ASSERT_EQ(manifest.erase("log"), 1u);
  manifest.erase("manifest_crc32c");
  manifest["manifest_crc32c"] = Crc32c(manifest.dump(2));
  WriteBytes(path, manifest.dump(2) + "\n");
  EXPECT_EQ(OpenedSize(), 40);
  UpsertMore(100, 3);
  EXPECT_EQ(OpenedSize(), 43);
  OpenLiveIndex(folder_, kByHand)->Compact();
  UpsertMore(200, 1);
  EXPECT_EQ(OpenedSize(), 44);
}

TEST_F(LoggedIndex, IsVerifiedRecordByRecord) {
  const auto problems = [&] {
    std::vector<std::string> damaged;
    for (const FileCheck& check : VerifyIndex(folder_)) {
      if (!check.problem.empty()) damaged.push_back(check.file);
    }
    return damaged;
  };
  UpsertMore(100, 2);
  // What a crash cut off is no damage, not even after the index was replaced and has a log again.
  WriteBytes(Segment(1), ReadBytes(Segment(1)) + "cut off");
  EXPECT_THAT(problems(), ::testing::IsEmpty());
  {
    const auto writer = ReplaceIndex(folder_, {.dimension = kDimension});
    writer->Add(NumberedItems(5), RandomVectors(5, kDimension, 9));
    writer->Commit();
  }
  UpsertMore(300, 2);
  EXPECT_THAT(problems(), ::testing::IsEmpty());
  EXPECT_EQ(VerifyNeighbors(folder_).recall, 1);
  std::string bad = ReadBytes(Segment(2));
  bad[60] = static_cast<char>(bad[60] ^ 1);
  WriteBytes(Segment(2), bad);
  EXPECT_THAT(problems(), ::testing::ElementsAre("wal/000002.log"));
}

// Every search answers from one version: all that a change brought, or nothing of it.
TEST_F(LoggedIndex, AnswersWholeVersionsWhileItIsChangedAndCompacted) {
  const auto live = OpenLiveIndex(folder_, {.compact_after_rows = 20});
  std::atomic<bool> stop = false;
  std::atomic<int64_t> searches = 0;
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&, t] {
      const auto query = RandomVectors(1, kDimension, static_cast<uint64_t>(t));
      while (!stop) {
        const auto version = live->Current();
        const IndexInfo info = version->Describe();
        const auto found = version->Search(query, {.k = 1000}).front();
        ASSERT_EQ(static_cast<int64_t>(found.size()), info.size);
        // Pairs come and go together.
        ASSERT_EQ(info.size % 2, 0);
        for (const Neighbor& neighbor : found) {
          ASSERT_EQ(version->FindItem(version->item(neighbor.row).id), neighbor.row);
        }
        ++searches;
      }
    });
  }
  for (int64_t i = 0; i < 60 || searches < 20; ++i) {
    const int64_t pair = 2 * (i % 50);
    live->Upsert(NumberedItems(2, 1000 + pair), RandomVectors(2, kDimension, 9));
    if (i % 3 == 0) live->Remove({IdOf(1000 + pair), IdOf(1001 + pair)});
    if (i % 17 == 0) live->Compact();
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace fluke
