// The local evidence of an index that changes.
#include "index/local/live_local_index.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "index/layout.h"
#include "index/local/local_files.h"
#include "tests/common/local_pictures.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using testing::ExpectError;
using testing::ReadBytes;
using testing::TestFolder;
using testing::WriteBytes;

class LiveLocalIndexTest : public ::testing::Test {
 protected:
  // All together stay below kExactDescriptors, so that searches are exact.
  static constexpr int kIndividuals = 12;
  const KeyPointOptions options_{.side_px = 200, .max_key_points = 150};

  LocalFeatures Features(int individual, bool turned) const {
    const cv::Mat picture = Blotches(200, 200, static_cast<uint64_t>(individual));
    return ExtractKeyPoints(
        turned ? Warped(picture, Turn(picture.size(), 20 + individual, .9, 3, 2)) : picture,
        options_);
  }
  static Item Named(const std::string& id, int individual) {
    return {.id = id, .identity = StrCat("whale", individual), .path = id + ".png", .metadata = {}};
  }
  static std::string IdOf(int individual, bool turned) {
    return StrCat(individual, turned ? "b" : "a");
  }
  static void PutOne(LiveLocalIndex& live, const Item& item, const LocalFeatures& features) {
    live.Put({&item, 1}, {&features, 1});
  }
  void Put(LiveLocalIndex& live, int individual, bool turned) const {
    PutOne(live, Named(IdOf(individual, turned), individual), Features(individual, turned));
  }

  // 0a, 1a ... of some individuals; turned: 0b, 1b ... too.
  void Build(const std::filesystem::path& folder, int first, int end, bool turned) const {
    LocalWriter writer(folder, options_);
    for (int i = first; i < end; ++i) {
      writer.Add(Named(IdOf(i, false), i), Features(i, false));
      if (turned) writer.Add(Named(IdOf(i, true), i), Features(i, true));
    }
    writer.Commit();
  }

  // Of each photograph that a search finds, by id.
  static std::map<std::string, double> Scores(const LocalIndex& index, const LocalFeatures& query) {
    std::map<std::string, double> scores;
    for (const LocalHit& hit : index.Search(query, {})) {
      EXPECT_TRUE(scores.emplace(index.item(hit.photo).id, hit.score).second);
    }
    return scores;
  }
  void ExpectSameSearches(const LocalIndex& index, const LocalIndex& other) const {
    for (int i = 0; i < kIndividuals; ++i) {
      const LocalFeatures query = Features(i, true);
      const auto scores = Scores(index, query);
      EXPECT_EQ(scores, Scores(other, query)) << i;
      EXPECT_FALSE(scores.empty());
    }
  }

  std::filesystem::path folder() const { return folder_.path() / "index"; }
  std::filesystem::path Whole() const { return folder_.path() / "whole"; }
  std::filesystem::path Segment() const {
    return *std::filesystem::directory_iterator(layout::LogFolder(layout::LocalFolder(folder())));
  }

  TestFolder folder_;
};

TEST_F(LiveLocalIndexTest, SearchesWhatWasPutAsIfItHadBeenThere) {
  Build(Whole(), 0, kIndividuals, true);
  Build(folder(), 0, kIndividuals / 2, true);
  LiveLocalIndex live(folder());
  for (int i = kIndividuals / 2; i < kIndividuals; ++i) {
    Put(live, i, false);
    Put(live, i, true);
  }
  const LocalIndex whole(Whole());
  ExpectSameSearches(*live.Current(), whole);
  const LocalIndex again(folder());  // out of files and log
  ExpectSameSearches(again, whole);
  const LocalFeatures features = Features(9, true);
  const auto photo = again.FindPhoto("9b");
  ASSERT_TRUE(photo);
  EXPECT_EQ(again.features(*photo).key_points, features.key_points);
  EXPECT_EQ(again.features(*photo).descriptors, features.descriptors);
  EXPECT_EQ(again.item(*photo).path, "9b.png");
  EXPECT_EQ(again.identity_number(*photo), again.identity_number(*again.FindPhoto("9a")));
  EXPECT_NE(again.identity_number(*photo), again.identity_number(*again.FindPhoto("8a")));
  // The photograph itself may be left out here, too.
  for (const LocalHit& hit : again.Search(features, {}, *photo)) EXPECT_NE(hit.photo, *photo);
}

TEST_F(LiveLocalIndexTest, ForgetsWhatWasReplacedOrRemoved) {
  Build(folder(), 0, kIndividuals, false);
  LiveLocalIndex live(folder());
  PutOne(live, Named("0a", 11), Features(11, true));  // of the files
  PutOne(live, Named("new", 5), Features(5, true));
  PutOne(live, Named("new", 7), Features(7, true));  // of the log
  const std::vector<std::string> removed = {"3a", "4a", "nobody"};
  live.Remove(removed);
  LocalWriter writer(Whole(), options_);
  for (int i = 1; i < kIndividuals; ++i) {
    if (i != 3 && i != 4) writer.Add(Named(IdOf(i, false), i), Features(i, false));
  }
  writer.Add(Named("0a", 11), Features(11, true));
  writer.Add(Named("new", 7), Features(7, true));
  writer.Commit();
  const LocalIndex whole(Whole());
  ExpectSameSearches(*live.Current(), whole);
  ExpectSameSearches(LocalIndex(folder()), whole);
  EXPECT_FALSE(live.Current()->FindPhoto("3a"));
  EXPECT_EQ(live.Current()->item(*live.Current()->FindPhoto("0a")).identity, "whale11");
  Put(live, 3, false);  // back again
  EXPECT_TRUE(live.Current()->FindPhoto("3a"));
}

TEST_F(LiveLocalIndexTest, RanksByTheIndividualsThatItWasToldOfLast) {
  Build(folder(), 0, kIndividuals, false);
  LiveLocalIndex live(folder());
  Put(live, 2, true);
  const std::vector<Item> updated = {Named("2a", 99), Named("2b", 99), Named("nobody", 99)};
  live.Update(updated);
  for (const auto& index : {live.Current(), std::make_shared<const LocalIndex>(folder())}) {
    const auto a = index->FindPhoto("2a"), b = index->FindPhoto("2b");
    EXPECT_EQ(index->item(*a).identity, "whale99");
    EXPECT_EQ(index->identity_number(*a), index->identity_number(*b));
    EXPECT_NE(index->identity_number(*a), index->identity_number(*index->FindPhoto("1a")));
    const std::vector<LocalHit> hits = index->Search(Features(2, false), {.by_individual = true});
    ASSERT_GE(hits.size(), 2u);
    EXPECT_EQ(hits[0].score, hits[1].score);
    EXPECT_FALSE(index->FindPhoto("nobody"));
  }
}

TEST_F(LiveLocalIndexTest, FoldsItsLogIntoTheFilesAndKeepsTheCalibration) {
  Build(folder(), 0, kIndividuals / 2, true);
  WriteBytes(layout::CalibrationFile(folder()), "curves");
  LiveLocalIndex live(folder());
  const auto opened = live.Current();
  for (int i = kIndividuals / 2; i < kIndividuals; ++i) Put(live, i, true);
  const std::vector<std::string> removed = {"1a"};
  live.Remove(removed);
  live.Fold();
  EXPECT_EQ(ReadBytes(layout::CalibrationFile(folder())), "curves");
  const LocalManifest manifest = ReadLocalManifest(folder());
  EXPECT_EQ(manifest.photos, kIndividuals - 1 + kIndividuals / 2);
  EXPECT_EQ(live.Current()->photos(), manifest.photos);
  EXPECT_EQ(live.Current()->sequence(), 0);
  ExpectSameSearches(*live.Current(), *opened);  // what is open stays as it was
  ExpectSameSearches(*live.Current(), LocalIndex(folder()));
  Put(live, 1, false);  // goes on
  EXPECT_TRUE(LocalIndex(folder()).FindPhoto("1a"));
  for (const FileCheck& check : VerifyLocal(folder())) EXPECT_EQ(check.problem, "");
}

TEST_F(LiveLocalIndexTest, CopiesTheCalibrationBeforeTheFoldersAreSwapped) {
  Build(folder(), 0, 1, false);
  WriteBytes(layout::CalibrationFile(folder()), "curves");
  LocalWriter writer(folder(), options_);
  writer.KeepCalibration(folder());
  int copies = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder())) {
    if (entry.path().filename() != layout::CalibrationFile(folder()).filename()) continue;
    EXPECT_EQ(ReadBytes(entry.path()), "curves");
    ++copies;
  }
  EXPECT_EQ(copies, 2);  // the old one, and that of the folder under way
}

TEST_F(LiveLocalIndexTest, FoldsOfItselfWhereMostIsInTheLog) {
  LocalWriter(folder(), options_).Commit();
  LiveLocalIndex live(folder());
  const LocalFeatures features = Features(0, false);
  const int photos = static_cast<int>(5 * kExactDescriptors / features.size()) + 1;
  for (int i = 0; i < photos; ++i) {
    const Item item = Named(StrCat("photo", i), i);
    PutOne(live, item, features);
    EXPECT_EQ(live.Current()->photos(), i + 1);
  }
  EXPECT_EQ(ReadLocalManifest(folder()).photos, photos);
  EXPECT_TRUE(ReadLocalManifest(folder()).files.contains(layout::kDescriptorListsFile));
}

TEST_F(LiveLocalIndexTest, CutsOffWhatACrashLeftAndRefusesWhatIsDamaged) {
  Build(folder(), 0, 2, false);
  {
    LiveLocalIndex live(folder());
    Put(live, 2, false);
    Put(live, 3, false);
  }
  const std::string bytes = ReadBytes(Segment());
  WriteBytes(Segment(), bytes.substr(0, bytes.size() - 100));
  {
    LiveLocalIndex live(folder());
    EXPECT_TRUE(live.Current()->FindPhoto("2a"));
    EXPECT_FALSE(live.Current()->FindPhoto("3a"));
    Put(live, 3, false);
  }
  EXPECT_TRUE(LocalIndex(folder()).FindPhoto("3a"));
  std::string damaged = bytes;
  damaged[bytes.size() / 4] = static_cast<char>(damaged[bytes.size() / 4] ^ 1);
  WriteBytes(Segment(), damaged);
  ExpectError(absl::StatusCode::kDataLoss, {Segment().filename().string(), "damaged"},
              [&] { const LocalIndex opened(folder()); });
  bool named = false;
  for (const FileCheck& check : VerifyLocal(folder())) {
    named |= check.file.starts_with("local/wal/") && !check.problem.empty();
  }
  EXPECT_TRUE(named);
}

TEST_F(LiveLocalIndexTest, IsSearchedWhileItChanges) {
  Build(folder(), 0, 4, false);
  LiveLocalIndex live(folder());
  const LocalFeatures query = Features(2, true);
  std::atomic<bool> is_done = false;
  std::jthread searcher([&] {
    while (!is_done) {
      const auto index = live.Current();
      const std::vector<LocalHit> hits = index->Search(query, {});
      EXPECT_EQ(index->item(hits.at(0).photo).id, "2a");
    }
  });
  for (int i = 4; i < kIndividuals; ++i) {
    Put(live, i, false);
    if (i == 6) live.Fold();
    const std::vector<std::string> removed = {IdOf(i - 1, false)};
    if (i > 4) live.Remove(removed);
  }
  is_done = true;
}

}  // namespace
}  // namespace fluke
