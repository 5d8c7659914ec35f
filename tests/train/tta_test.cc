// Test-time augmentation: which views there are, what they show, how their embeddings merge.
#include "train/tta.h"

#include <numeric>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opencv2/core.hpp>

#include "common/error.h"
#include "common/table.h"

namespace fluke::train {
namespace {

using ::testing::ElementsAre;

std::vector<View> Views(const std::vector<std::string>& names) { return ViewsOf(names); }

// One channel: 0 1 2 / 3 4 5
cv::Mat Numbered() { return (cv::Mat_<uchar>(2, 3) << 0, 1, 2, 3, 4, 5); }

std::vector<int> Pixels(const cv::Mat& image) {
  std::vector<int> pixels;
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x) pixels.push_back(image.at<uchar>(y, x));
  }
  return pixels;
}

TEST(TestTimeAugmentation, WithoutNamesIsThePhotographAsItIs) {
  const auto views = Views({});
  ASSERT_EQ(views.size(), 1u);
  EXPECT_THAT(Pixels(Look(Numbered(), views[0])), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(TestTimeAugmentation, FlipAddsTheMirrorImage) {
  const auto views = Views({"flip"});
  ASSERT_EQ(views.size(), 2u);
  EXPECT_THAT(Pixels(Look(Numbered(), views[0])), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(Pixels(Look(Numbered(), views[1])), ElementsAre(2, 1, 0, 5, 4, 3));
}

TEST(TestTimeAugmentation, D4HasTheEightSymmetriesOnceEach) {
  const auto views = Views({"d4"});
  ASSERT_EQ(views.size(), 8u);
  std::set<std::vector<int>> seen;
  for (const View& view : views) {
    const cv::Mat turned = Look(Numbered(), view);
    auto pixels = Pixels(turned);
    pixels.push_back(turned.cols);
    seen.insert(pixels);
  }
  EXPECT_EQ(seen.size(), 8u);
  // A quarter turn to the left: the right column becomes the first row.
  EXPECT_THAT(Pixels(Look(Numbered(), views[1])), ElementsAre(2, 5, 1, 4, 0, 3));
}

TEST(TestTimeAugmentation, FiveCropTakesCornersAndMiddleOfSevenEighths) {
  cv::Mat photograph(16, 16, CV_8UC1);
  std::iota(photograph.begin<uchar>(), photograph.end<uchar>(), uchar{0});  // 16 y + x
  const auto views = Views({"five_crop"});
  ASSERT_EQ(views.size(), 5u);
  std::vector<int> corners;
  for (const View& view : views) {
    const cv::Mat crop = Look(photograph, view);
    EXPECT_EQ(crop.size(), cv::Size(14, 14));
    corners.push_back(crop.at<uchar>(0, 0));
  }
  EXPECT_THAT(corners, ElementsAre(0, 2, 32, 34, 17));
  EXPECT_EQ(Views({"ten_crop"}).size(), 10u);
}

TEST(TestTimeAugmentation, SeveralMultiply) {
  const auto views = Views({"multi_scale", "flip", "five_crop"});
  EXPECT_EQ(views.size(), 3u * 2 * 5);
  // The largest scale, sqrt(2), of a crop of 7/8.
  EXPECT_NEAR(LargestScale(views), 1.41421356 * 8 / 7, 1e-6);
}

TEST(TestTimeAugmentation, RefusesWhatIsUnknownOrDoneTwice) {
  EXPECT_THROW(Views({"flop"}), Error);
  EXPECT_THROW(Views({"flip", "flip"}), Error);
  EXPECT_THROW(Views({"flip", "d4"}), Error);
  EXPECT_THROW(Views({"ten_crop", "flip"}), Error);
  EXPECT_THROW(Views({"five_crop", "ten_crop"}), Error);
}

TEST(TestTimeAugmentation, MergesEachComponent) {
  const auto merged = [](const char* name, std::vector<float> values) {
    return Find(Merges(), "merge", name).merge(values);
  };
  EXPECT_FLOAT_EQ(merged("mean", {1, 2, 6}), 3);
  EXPECT_FLOAT_EQ(merged("gmean", {1, 2, 4}), 2);  // cube root of 8
  EXPECT_FLOAT_EQ(merged("gmean", {-1, -2, -4}), -2);
  EXPECT_FLOAT_EQ(merged("gmean", {-.5f, 8}), 2);  // sqrt(4); the mean is positive
  EXPECT_FLOAT_EQ(merged("gmean", {0, 5}), 0);
  EXPECT_FLOAT_EQ(merged("max", {-3, -1, -2}), -1);
}

}  // namespace
}  // namespace fluke::train
