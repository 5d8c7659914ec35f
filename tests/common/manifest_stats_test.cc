#include "common/manifest_stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>

#include "common/files.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(ManifestStats, CountsPhotosIdentitiesSizesSplitsAndBoxes) {
  const Scratch scratch;
  cv::imwrite((scratch / "small.png").string(), cv::Mat(30, 40, CV_8UC3, cv::Scalar(1, 2, 3)));
  cv::imwrite((scratch / "large.png").string(), cv::Mat(100, 200, CV_8UC3, cv::Scalar(1, 2, 3)));
  WriteFileAtomically(scratch / "m.csv",
                      "path,identity,split,x,y,w,h\n"
                      "small.png,anna,train,0,0,20,15\n"
                      "large.png,anna,test,,,,\n"
                      "large.png,bert,train,10,10,100,50\n"
                      "missing.png,,,,,,\n");
  const ManifestStats stats = CountManifest(ReadManifest(scratch / "m.csv"), 2);
  EXPECT_EQ(stats.items, 4);
  EXPECT_EQ(stats.identities, 2);
  EXPECT_EQ(stats.unknown, 1);
  EXPECT_THAT(stats.histogram, ElementsAre(Pair(1, 1), Pair(2, 1)));
  EXPECT_EQ(stats.photos_per_identity.median, 1.5);
  EXPECT_EQ(stats.splits.at("train").photos, 2);
  EXPECT_EQ(stats.splits.at("train").identities, 2);
  EXPECT_EQ(stats.splits.at("test").identities, 1);
  EXPECT_EQ(stats.split_identities, 1);  // anna
  EXPECT_EQ(stats.width.min, 40);
  EXPECT_EQ(stats.width.max, 200);
  EXPECT_EQ(stats.height.median, 100);
  EXPECT_EQ(stats.boxes, 2);
  EXPECT_EQ(stats.box_share.min, .25);  // 20 * 15 of 40 * 30 and 100 * 50 of 200 * 100
  EXPECT_EQ(stats.box_share.max, .25);
  ASSERT_EQ(stats.unreadable.size(), 1u);
  EXPECT_EQ(stats.unreadable[0].path, "missing.png");
  EXPECT_EQ(stats.unreadable[0].line, 5);
}

TEST(ManifestStats, OfNothingAreZero) {
  const ManifestStats stats = CountManifest({}, 2);
  EXPECT_EQ(stats.items, 0);
  EXPECT_EQ(stats.width.max, 0);
}

}  // namespace
}  // namespace fluke
