#include "common/local/matched_regions.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include <opencv2/imgcodecs.hpp>

#include "tests/common/scratch.h"

namespace fluke {
namespace {

TEST(RegionsOf, SpeaksInSharesOfThePhotographsHeaviestFirst) {
  const LocalFeatures query{.width = 200,
                            .height = 100,
                            .key_points = {{50, 25, 20, 0}, {100, 50, 10, 90}},
                            .descriptors = {}};
  const LocalFeatures gallery{
      .width = 50, .height = 100, .key_points = {{5, 90, 4, 0}}, .descriptors = {}};
  const std::vector<PointPair> pairs = {{.query = 0, .gallery = 0, .weight = .2f},
                                        {.query = 1, .gallery = 0, .weight = .7f}};
  const std::vector<MatchedRegions> regions = RegionsOf(query, gallery, pairs);
  ASSERT_EQ(regions.size(), 2u);
  EXPECT_FLOAT_EQ(regions[0].weight, .7f);
  EXPECT_FLOAT_EQ(regions[0].query.x, .5f);
  EXPECT_FLOAT_EQ(regions[0].query.y, .5f);
  EXPECT_FLOAT_EQ(regions[0].query.diameter, .05f);  // 10 of 200
  EXPECT_FLOAT_EQ(regions[1].query.x, .25f);
  EXPECT_FLOAT_EQ(regions[1].gallery.x, .1f);
  EXPECT_FLOAT_EQ(regions[1].gallery.y, .9f);
  EXPECT_FLOAT_EQ(regions[1].gallery.diameter, .04f);  // 4 of 100
}

TEST(WholeRegionsOf, SpeaksOfTheWholePhotographsThatThePartsWereCutFrom) {
  // The right lower quarter of a photograph that would have 400 x 200 of these pixels.
  const LocalFeatures query{.width = 200,
                            .height = 100,
                            .key_points = {{50, 25, 20, 0}},
                            .descriptors = {},
                            .part = {.x = .5f, .y = .5f, .w = .5f, .h = .5f}};
  const LocalFeatures gallery{
      .width = 50, .height = 100, .key_points = {{5, 90, 4, 0}}, .descriptors = {}};
  const std::vector<PointPair> pairs = {{.query = 0, .gallery = 0, .weight = 1}};
  const std::vector<MatchedRegions> regions = WholeRegionsOf(query, gallery, pairs);
  ASSERT_EQ(regions.size(), 1u);
  EXPECT_FLOAT_EQ(regions[0].query.x, .625f);        // 200 + 50 of 400
  EXPECT_FLOAT_EQ(regions[0].query.y, .625f);        // 100 + 25 of 200
  EXPECT_FLOAT_EQ(regions[0].query.diameter, .05f);  // 20 of 400
  EXPECT_FLOAT_EQ(regions[0].gallery.x, .1f);
  EXPECT_FLOAT_EQ(regions[0].gallery.y, .9f);
  EXPECT_FLOAT_EQ(regions[0].gallery.diameter, .04f);
}

MatchPicture OnePair(std::vector<MatchedRegions> regions) {
  return {.query_rgb = cv::Mat(100, 200, CV_8UC3, cv::Scalar(40, 40, 40)),
          .gallery_rgb = cv::Mat(100, 200, CV_8UC3, cv::Scalar(40, 40, 40)),
          .query_name = "query",
          .gallery_name = "neighbour",
          .verdict = "same individual",
          .regions = std::move(regions)};
}

// Pixels much redder than blue: those of lines and circles.
int Coloured(const cv::Mat& rgb) {
  int count = 0;
  for (int row = 0; row < rgb.rows; ++row) {
    for (int col = 0; col < rgb.cols; ++col) {
      const auto& pixel = rgb.at<cv::Vec3b>(row, col);
      count += pixel[0] > pixel[2] + 80 ? 1 : 0;
    }
  }
  return count;
}

TEST(DrawMatches, DrawsALineForEachPair) {
  const MatchedRegions match{.query = {.x = .5f, .y = .5f, .diameter = .1f},
                             .gallery = {.x = .5f, .y = .5f, .diameter = .1f},
                             .weight = 1};
  const std::vector<MatchPicture> without = {OnePair({})}, with = {OnePair({match})};
  EXPECT_EQ(Coloured(DrawMatches(without)), 0);
  const cv::Mat drawn = DrawMatches(with);
  // From middle to middle, that is over half of each and the gap: as long as a picture is wide, two
  // pixels strong, and two circles.
  EXPECT_GT(Coloured(drawn), 420);
  EXPECT_EQ(drawn.size(), DrawMatches(without).size());
}

TEST(DrawMatches, ShowsPairsBelowOneAnotherAndSurvivesMissingPictures) {
  const std::vector<MatchPicture> one = {OnePair({})}, two = {OnePair({}), OnePair({})};
  EXPECT_GT(DrawMatches(two).rows, DrawMatches(one).rows + 100);
  EXPECT_FALSE(DrawMatches({}).empty());
  std::vector<MatchPicture> missing = {OnePair({{.query = {.x = 1, .y = 1, .diameter = 2},
                                                 .gallery = {.x = 0, .y = 0, .diameter = 0},
                                                 .weight = 0}})};
  missing[0].gallery_rgb = cv::Mat();
  EXPECT_FALSE(DrawMatches(missing).empty());
}

TEST(WriteMatches, WritesAPngThatReadsBackEqual) {
  const Scratch scratch;
  const std::vector<MatchPicture> pictures = {OnePair({})};
  WriteMatches(scratch / "matches.png", pictures);
  const cv::Mat bgr = cv::imread((scratch / "matches.png").string());
  const cv::Mat drawn = DrawMatches(pictures);
  ASSERT_EQ(bgr.size(), drawn.size());
  EXPECT_EQ(bgr.at<cv::Vec3b>(0, 0)[0], drawn.at<cv::Vec3b>(0, 0)[2]);
  EXPECT_THROW(WriteMatches(scratch / "no" / "folder.png", pictures), Error);
}

}  // namespace
}  // namespace fluke
