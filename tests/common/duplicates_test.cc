#include "common/curation/duplicates.h"

#include <set>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "common/csv.h"
#include "common/curation/hamming_search.h"
#include "common/files.h"
#include "common/random.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using CodePair = std::tuple<size_t, size_t, int>;

std::multiset<CodePair> NearPairs(const std::vector<uint64_t>& codes, int radius) {
  std::multiset<CodePair> pairs;
  ForEachNearPair(codes, radius,
                  [&](size_t i, size_t j, int distance) { pairs.emplace(i, j, distance); });
  return pairs;
}

std::multiset<CodePair> EachWithEach(const std::vector<uint64_t>& codes, int radius) {
  std::multiset<CodePair> pairs;
  for (size_t i = 0; i < codes.size(); ++i) {
    for (size_t j = i + 1; j < codes.size(); ++j) {
      const int distance = __builtin_popcountll(codes[i] ^ codes[j]);
      if (distance <= radius) pairs.emplace(i, j, distance);
    }
  }
  return pairs;
}

TEST(ForEachNearPair, TellsEveryPairOnceAsComparingEachWithEachDoes) {
  Random random(5);
  std::vector<uint64_t> codes;
  for (int i = 0; i < 300; ++i) {
    const uint64_t centre = random.Bits();
    codes.push_back(centre);
    // Others at 1 .. 14 flips of it, so that pairs lie on both sides of every radius.
    for (int flips = 0; flips < 15; flips += 3) {
      uint64_t code = centre;
      for (int flip = 0; flip < flips; ++flip) code ^= uint64_t{1} << random.Below(64);
      codes.push_back(code);
    }
  }
  for (int radius : {0, 1, 3, 6, 10, 16, 32}) {
    const auto expected = EachWithEach(codes, radius);
    EXPECT_GE(expected.size(), 300u);
    EXPECT_EQ(NearPairs(codes, radius), expected) << radius;
  }
}

TEST(ForEachNearPair, TakesNoCodesAndRefusesARadiusThatMeansNothing) {
  EXPECT_THAT(NearPairs({}, 6), IsEmpty());
  EXPECT_THAT(NearPairs({7}, 6), IsEmpty());
  EXPECT_THROW(NearPairs({7}, -1), Error);
  EXPECT_THROW(NearPairs({7}, 33), Error);
}

// a.png, its copy, it at half size, another one; and two blank ones of the same size, equal, and a
// third that differs in a pixel.
class Photographs : public testing::Test {
 protected:
  Photographs() {
    const cv::Mat a = Clouds(1), b = Clouds(2);
    cv::Mat half;
    cv::resize(a, half, {}, .5, .5, cv::INTER_AREA);
    Write("a.png", a), Write("copy.png", a), Write("half.png", half), Write("b.png", b);
    cv::Mat blank(50, 50, CV_8UC3, cv::Scalar(0, 0, 0));
    Write("blank1.png", blank), Write("blank2.png", blank);
    blank.at<cv::Vec3b>(7, 7) = {1, 1, 1};
    Write("blank3.png", blank);
    WriteFileAtomically(scratch_ / "m.csv",
                        "path,identity,split\n"
                        "a.png,anna,train\n"
                        "b.png,bert,train\n"
                        "half.png,anna,test\n"
                        "copy.png,carl,train\n"
                        "blank1.png,,\n"
                        "blank2.png,,\n"
                        "blank3.png,,\n"
                        "none.png,,\n");
    manifest_ = ReadManifest(scratch_ / "m.csv");
  }

  static cv::Mat Clouds(uint64_t seed) {
    Random random(RandomKey({seed}));
    cv::Mat picture(120, 160, CV_8UC3);
    for (int i = 0; i < 120 * 160; ++i) {
      const auto level = static_cast<uint8_t>(random.Below(256));
      picture.at<cv::Vec3b>(i / 160, i % 160) = {level, level, level};
    }
    cv::GaussianBlur(picture, picture, {}, 9);
    cv::normalize(picture, picture, 0, 255, cv::NORM_MINMAX);
    return picture;
  }
  void Write(const char* name, const cv::Mat& picture) {
    cv::imwrite((scratch_ / name).string(), picture);
  }

  Scratch scratch_;
  Manifest manifest_;
};

TEST_F(Photographs, AreGroupedByPixelsAndByHash) {
  const HashedPhotographs hashed = HashPhotographs(manifest_, ImageHashKinds()[0], 2);
  ASSERT_EQ(hashed.unreadable.size(), 1u);
  EXPECT_EQ(hashed.unreadable[0].path, "none.png");
  EXPECT_EQ(hashed.sizes[2], cv::Size(80, 60));
  const std::vector<DuplicatePair> pairs = PairsByHash(manifest_, hashed, 6, 2);
  const auto groups = GroupPairs(manifest_.items.size(), pairs);
  EXPECT_THAT(groups, ElementsAre(ElementsAre(0, 2, 3), ElementsAre(4, 5)));
  const DuplicateReport report = ReportDuplicates(manifest_.items, groups);
  EXPECT_EQ(report.groups, 2);
  EXPECT_EQ(report.photos, 5);
  EXPECT_EQ(report.surplus, 3);
  EXPECT_EQ(report.leaking_groups, 1);
  EXPECT_EQ(report.leaking_photos, 1);      // half.png
  EXPECT_EQ(report.conflicting_groups, 1);  // anna, carl
  // The test set stays as it is.
  EXPECT_THAT(KeepOneOfEach(manifest_.items, groups, hashed.sizes),
              ElementsAre(false, true, true, false, true, false, true, true));
  const CsvTable table = ParseCsv(DuplicatesCsv(manifest_.items, groups, pairs), "duplicates");
  ASSERT_EQ(table.rows.size(), 5u);
  EXPECT_THAT(table.rows[0].fields,
              ElementsAre("1", "a.png", "anna", "train", "copy.png", "exact", "0"));
  EXPECT_EQ(table.rows[1].fields[1], "half.png");
  EXPECT_EQ(table.rows[1].fields[5], "hash");
  EXPECT_THAT(table.rows[4].fields,
              ElementsAre("2", "blank2.png", "", "", "blank1.png", "exact", "0"));
}

TEST_F(Photographs, OfWhichTwoBoxesAreNoPair) {
  manifest_.items = {manifest_.items[0], manifest_.items[0], manifest_.items[3]};
  manifest_.items[0].box = Box{0, 0, 160, 120};
  manifest_.items[1].box = Box{0, 0, 160, 119};
  const HashedPhotographs hashed = HashPhotographs(manifest_, ImageHashKinds()[0], 1);
  for (const DuplicatePair& pair : PairsByHash(manifest_, hashed, 8, 1)) EXPECT_EQ(pair.b, 2u);
}

TEST_F(Photographs, AreAlikeWhereTheirEmbeddingsAreNear) {
  const std::vector<size_t> rows = {0, 1, 2, 3};
  const std::vector<std::vector<Neighbor>> neighbors = {
      {{2, .97f}, {1, .5f}}, {{0, .5f}}, {{0, .97f}}, {{1, .2f}}};
  const auto pairs = PairsByEmbedding(manifest_, rows, neighbors, .9);
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_EQ(pairs[0].a, 0u);
  EXPECT_EQ(pairs[0].b, 2u);
  EXPECT_NEAR(pairs[0].distance, .03, 1e-6);
}

}  // namespace
}  // namespace fluke
