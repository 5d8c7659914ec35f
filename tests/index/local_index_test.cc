#include "index/local/local_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/common/local_pictures.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using testing::ExpectError;
using testing::ReadBytes;
using testing::TestFolder;
using testing::WriteBytes;

const KeyPointOptions kOptions{.side_px = 240, .max_key_points = 200};

// Twelve individuals with two photographs each: as they are, and turned, smaller and moved.
class LocalIndexTest : public ::testing::Test {
 protected:
  static constexpr int kIndividuals = 12;

  static cv::Mat Photo(int individual, bool turned) {
    const cv::Mat picture = Blotches(240, 180, static_cast<uint64_t>(individual));
    return turned ? Warped(picture, Turn(picture.size(), 15 + 3 * individual, .9, 6, -4)) : picture;
  }
  static Item Named(int individual, bool turned) {
    const std::string id = StrCat(individual, turned ? "b" : "a");
    return {.id = id, .identity = StrCat("whale", individual), .path = id + ".png", .metadata = {}};
  }

  // The turned photographs are left out of the gallery where they are the queries.
  void Build(bool turned_too, const KeyPointOptions& options = kOptions) {
    LocalWriter writer(folder_.path(), options);
    for (int i = 0; i < kIndividuals; ++i) {
      writer.Add(Named(i, false), ExtractKeyPoints(Photo(i, false), options));
      if (turned_too) writer.Add(Named(i, true), ExtractKeyPoints(Photo(i, true), options));
    }
    writer.Commit();
  }

  TestFolder folder_;
};

TEST_F(LocalIndexTest, FindsATurnedPhotographsIndividualWithMostOfItsPairs) {
  Build(false);
  const LocalIndex index(folder_.path());
  ASSERT_EQ(index.photos(), kIndividuals);
  for (int i = 0; i < kIndividuals; ++i) {
    const LocalFeatures query = ExtractKeyPoints(Photo(i, true), kOptions);
    const std::vector<LocalHit> hits = index.Search(query, {});
    ASSERT_FALSE(hits.empty());
    EXPECT_EQ(index.item(hits[0].photo).id, StrCat(i, "a"));
    EXPECT_TRUE(hits[0].verified);
    EXPECT_GT(hits[0].pairs.size(), 30u);
    // The others have only chance pairs.
    ASSERT_GT(hits.size(), 1u);
    EXPECT_LT(hits[1].pairs.size() * 3, hits[0].pairs.size());
    // What matches lies where the map takes it: back from the query to the photograph.
    const cv::Matx23d map = Turn({240, 180}, 15 + 3 * i, .9, 6, -4);
    const LocalFeatures found = index.features(hits[0].photo);
    int near = 0;
    for (const PointPair& pair : hits[0].pairs) {
      const KeyPoint& to = query.key_points[static_cast<size_t>(pair.query)];
      const KeyPoint& from = found.key_points[static_cast<size_t>(pair.gallery)];
      const auto mapped = map * cv::Vec3d(from.x, from.y, 1);
      near += std::hypot(mapped[0] - to.x, mapped[1] - to.y) < 5 ? 1 : 0;
    }
    EXPECT_GT(near * 10, static_cast<int>(hits[0].pairs.size()) * 8);
  }
}

TEST_F(LocalIndexTest, NeverCountsThePhotographThatIsLeftOut) {
  Build(true);
  const LocalIndex index(folder_.path());
  for (int64_t photo = 0; photo < index.photos(); ++photo) {
    const LocalFeatures query = index.features(photo);
    EXPECT_EQ(index.Search(query, {}).at(0).photo, photo);  // itself
    const std::vector<LocalHit> hits = index.Search(query, {}, photo);
    for (const LocalHit& hit : hits) EXPECT_NE(hit.photo, photo);
    EXPECT_EQ(index.identity_number(hits.at(0).photo), index.identity_number(photo));
  }
}

TEST_F(LocalIndexTest, RanksPhotographsByTheirIndividuals) {
  Build(true);
  const LocalIndex index(folder_.path());
  const LocalFeatures query = index.features(0);
  const std::vector<LocalHit> by_photo = index.Search(query, {});
  const std::vector<LocalHit> hits = index.Search(query, {.by_individual = true});
  ASSERT_EQ(hits.size(), by_photo.size());
  std::map<int32_t, double> score;  // of an individual
  std::vector<int32_t> order;
  for (const LocalHit& hit : hits) {
    const int32_t individual = index.identity_number(hit.photo);
    if (order.empty() || order.back() != individual) order.push_back(individual);
    EXPECT_EQ(score.emplace(individual, hit.score).first->second, hit.score);
  }
  EXPECT_EQ(order.size(), score.size());  // each individual's photographs stand together
  EXPECT_EQ(hits[0].photo, 0);            // itself, of its individual's photographs the best
  EXPECT_GE(hits[0].score, by_photo[0].score);
}

TEST_F(LocalIndexTest, ScoresAShortlistAsItsSearchDoes) {
  Build(false);
  const LocalIndex index(folder_.path());
  const LocalFeatures query = ExtractKeyPoints(Photo(3, true), kOptions);
  const std::vector<LocalHit> all = index.Search(query, {.verify = kIndividuals});
  const std::vector<int64_t> shortlist = {5, 3, 7};
  const std::vector<LocalHit> scored = index.Score(query, shortlist, {});
  ASSERT_EQ(scored.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(scored[i].photo, shortlist[i]);
    const auto same = std::find_if(all.begin(), all.end(),
                                   [&](const LocalHit& hit) { return hit.photo == shortlist[i]; });
    EXPECT_EQ(scored[i].score, same == all.end() ? 0 : same->score);
  }
  // A plain photograph has no evidence for anybody.
  const LocalFeatures plain = ExtractKeyPoints(cv::Mat(100, 100, CV_8UC1, cv::Scalar(9)), kOptions);
  EXPECT_TRUE(index.Search(plain, {}).empty());
  EXPECT_EQ(index.Score(plain, shortlist, {})[1].score, 0);
}

TEST_F(LocalIndexTest, GivesBackWhatWasAdded) {
  Build(true);
  const LocalIndex index(folder_.path());
  const LocalFeatures added = ExtractKeyPoints(Photo(2, true), kOptions);
  const LocalFeatures kept = index.features(index.FindPhoto("2b").value());
  EXPECT_EQ(kept.width, added.width);
  EXPECT_EQ(kept.height, added.height);
  EXPECT_EQ(kept.key_points, added.key_points);
  EXPECT_EQ(kept.descriptors, added.descriptors);
  EXPECT_EQ(index.manifest().key_points, kOptions);
  EXPECT_EQ(index.item(5).identity, "whale2");
}

TEST_F(LocalIndexTest, StaysAsItWasUntilTheNewOneIsComplete) {
  Build(false);
  const LocalIndex opened(folder_.path());
  {
    LocalWriter unfinished(folder_.path(), kOptions);
    unfinished.Add(Named(0, true), ExtractKeyPoints(Photo(0, true), kOptions));
  }
  EXPECT_EQ(LocalIndex(folder_.path()).photos(), kIndividuals);
  Build(true);
  EXPECT_EQ(LocalIndex(folder_.path()).photos(), 2 * kIndividuals);
  EXPECT_EQ(opened.Search(opened.features(4), {}).at(0).photo, 4);  // what is open stays open
}

TEST_F(LocalIndexTest, RefusesADamagedByteOfAnyFile) {
  Build(false);
  const std::filesystem::path local = layout::LocalFolder(folder_.path());
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(local)) {
    if (entry.is_directory()) continue;  // of the log
    const std::string name = entry.path().filename().string();
    const std::string bytes = ReadBytes(entry.path());
    for (const size_t at : {size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ 4);
      WriteBytes(entry.path(), damaged);
      ExpectError(absl::StatusCode::kDataLoss, {name, "damaged"},
                  [&] { LocalIndex(folder_.path()); });
      const auto checks = VerifyLocal(folder_.path());
      EXPECT_TRUE(std::any_of(checks.begin(), checks.end(), [&](const FileCheck& check) {
        return check.file == "local/" + name && !check.problem.empty();
      })) << name;
    }
    WriteBytes(entry.path(), bytes.substr(0, bytes.size() / 2));
    ExpectError(absl::StatusCode::kDataLoss, {name}, [&] { LocalIndex(folder_.path()); });
    std::filesystem::remove(entry.path());
    ExpectError(absl::StatusCode::kNotFound, {}, [&] { LocalIndex(folder_.path()); });
    WriteBytes(entry.path(), bytes);
    ++files;
  }
  EXPECT_EQ(files, 5);
  for (const FileCheck& check : VerifyLocal(folder_.path())) EXPECT_EQ(check.problem, "");
}

TEST_F(LocalIndexTest, ServesManyDescriptorsFromLists) {
  // 12 x 2 x 400 descriptors are more than are searched one by one.
  const KeyPointOptions many{.side_px = 300, .max_key_points = 400, .contrast_threshold = 0};
  Build(true, many);
  const LocalIndex index(folder_.path());
  ASSERT_GT(index.manifest().points, kExactDescriptors);
  EXPECT_TRUE(index.manifest().files.contains(layout::kDescriptorListsFile));
  for (int64_t photo = 0; photo < index.photos(); photo += 5) {
    const std::vector<LocalHit> hits = index.Search(index.features(photo), {}, photo);
    EXPECT_EQ(index.identity_number(hits.at(0).photo), index.identity_number(photo));
  }
}

TEST(LocalIndex, SaysHowLocalEvidenceIsMade) {
  const TestFolder folder;
  ExpectError(absl::StatusCode::kNotFound, {"index build --local"},
              [&] { LocalIndex(folder.path()); });
}

TEST_F(LocalIndexTest, MayHoldNothing) {
  LocalWriter(folder_.path(), kOptions).Commit();
  const LocalIndex index(folder_.path());
  EXPECT_EQ(index.photos(), 0);
  EXPECT_TRUE(index.Search(ExtractKeyPoints(Photo(0, false), kOptions), {}).empty());
}

}  // namespace
}  // namespace fluke
