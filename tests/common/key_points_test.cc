#include "common/local/key_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include <opencv2/imgproc.hpp>

#include "tests/common/local_pictures.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using ::testing::HasSubstr;

TEST(RootSift, IsTheSquareRootOfTheShareOfTheSum) {
  // Values 9, 16, 0 ... have the sum 25: sqrt(9/25) = .6, sqrt(16/25) = .8; times 512 they are 307
  // and 410, cut at 255.
  std::vector<float> sift(128, 0);
  sift[0] = 9;
  sift[1] = 16;
  std::vector<uint8_t> code(128, 7);
  RootSiftCode(sift, code);
  EXPECT_EQ(code[0], 255);
  EXPECT_EQ(code[1], 255);
  EXPECT_EQ(std::accumulate(code.begin() + 2, code.end(), 0), 0);
  // 128 equal values: sqrt(1/128) = .088388, times 512 = 45.25.
  std::fill(sift.begin(), sift.end(), 3.f);
  RootSiftCode(sift, code);
  EXPECT_THAT(code, ::testing::Each(45));
}

TEST(RootSift, OfNothingIsNothing) {
  std::vector<uint8_t> code(128, 7);
  RootSiftCode(std::vector<float>(128, 0), code);
  EXPECT_THAT(code, ::testing::Each(0));
}

TEST(ExtractKeyPoints, FindsBlobsWhereTheyAre) {
  // Dark discs on white, far apart, at the size that they are looked at.
  cv::Mat picture(256, 256, CV_8UC1, cv::Scalar(255));
  const std::vector<cv::Point> centres = {{60, 70}, {180, 60}, {120, 190}};
  for (const cv::Point& centre : centres) {
    cv::circle(picture, centre, 10, cv::Scalar(0), cv::FILLED, cv::LINE_AA);
  }
  const LocalFeatures features = ExtractKeyPoints(picture, {.side_px = 256});
  EXPECT_EQ(features.width, 256);
  for (const cv::Point& centre : centres) {
    double nearest = 1e9;
    for (const KeyPoint& point : features.key_points) {
      nearest = std::min<double>(nearest, std::hypot(point.x - centre.x, point.y - centre.y));
    }
    EXPECT_LT(nearest, 2) << centre.x << ", " << centre.y;
  }
}

TEST(ExtractKeyPoints, KeepsNoMoreThanAskedForAndTheSamePointsEachTime) {
  const cv::Mat picture = Blotches(300, 200, 1);
  const KeyPointOptions options{.side_px = 300, .max_key_points = 50};
  const LocalFeatures features = ExtractKeyPoints(picture, options);
  EXPECT_EQ(features.size(), 50);
  EXPECT_EQ(features.descriptors.size(), 50u * kDescriptorBytes);
  const LocalFeatures again = ExtractKeyPoints(picture, options);
  EXPECT_EQ(features.key_points, again.key_points);
  EXPECT_EQ(features.descriptors, again.descriptors);
}

TEST(ExtractKeyPoints, DescriptorsHaveUnitLengthButForRounding) {
  const LocalFeatures features = ExtractKeyPoints(Blotches(300, 200, 2), {.side_px = 300});
  ASSERT_GT(features.size(), 50);
  for (int64_t i = 0; i < features.size(); ++i) {
    double squares = 0;
    for (const uint8_t value : features.descriptor(i)) squares += value * value;
    EXPECT_NEAR(std::sqrt(squares) / kDescriptorScale, 1, .03);
  }
}

TEST(ExtractKeyPoints, MakesTheLongerSideAsAsked) {
  const LocalFeatures wide = ExtractKeyPoints(Blotches(300, 200, 3), {.side_px = 150});
  EXPECT_EQ(wide.width, 150);
  EXPECT_EQ(wide.height, 100);
  const LocalFeatures tall = ExtractKeyPoints(Blotches(200, 300, 3), {.side_px = 600});
  EXPECT_EQ(tall.width, 400);
  EXPECT_EQ(tall.height, 600);
}

TEST(ExtractKeyPoints, OfColourIsThatOfItsGrey) {
  const cv::Mat gray = Blotches(200, 200, 4);
  cv::Mat rgb;
  cv::cvtColor(gray, rgb, cv::COLOR_GRAY2RGB);
  EXPECT_EQ(ExtractKeyPoints(gray, {}).descriptors, ExtractKeyPoints(rgb, {}).descriptors);
}

TEST(ExtractKeyPoints, OfAPlainPictureAreNone) {
  const LocalFeatures features =
      ExtractKeyPoints(cv::Mat(64, 64, CV_8UC3, cv::Scalar(9, 99, 199)), {});
  EXPECT_EQ(features.size(), 0);
  EXPECT_TRUE(features.descriptors.empty());
}

TEST(ExtractKeyPoints, TakesAnyShapeOfPicture) {
  EXPECT_EQ(ExtractKeyPoints(cv::Mat(1, 1, CV_8UC1, cv::Scalar(5)), {.side_px = 64}).size(), 0);
  EXPECT_EQ(ExtractKeyPoints(cv::Mat(1, 3000, CV_8UC1, cv::Scalar(5)), {.side_px = 64}).height, 1);
}

TEST(ExtractKeyPoints, NamesWhatIsWrong) {
  const cv::Mat picture = Blotches(64, 64, 5);
  const auto message = [&](const KeyPointOptions& options) {
    return std::string(ErrorOf([&] { ExtractKeyPoints(picture, options); }).what());
  };
  EXPECT_THAT(message({.side_px = 5}), HasSubstr("side_px is 5"));
  EXPECT_THAT(message({.max_key_points = 0}), HasSubstr("max_key_points is 0"));
  EXPECT_THAT(message({.contrast_threshold = NAN}), HasSubstr("contrast_threshold"));
  EXPECT_THAT(message({.edge_threshold = 0}), HasSubstr("edge_threshold is 0"));
  EXPECT_THAT(ErrorOf([] { ExtractKeyPoints(cv::Mat(), {}); }).what(), HasSubstr("empty"));
  EXPECT_THAT(ErrorOf([] { ExtractKeyPoints(cv::Mat(8, 8, CV_32FC1, cv::Scalar(1)), {}); }).what(),
              HasSubstr("8-bit"));
}

}  // namespace
}  // namespace fluke
