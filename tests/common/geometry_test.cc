#include "common/local/geometry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/random.h"
#include "tests/common/local_pictures.h"

namespace fluke {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

LocalFeatures PointsAt(const std::vector<cv::Point2d>& places, int side = 512) {
  LocalFeatures features{.width = side, .height = side, .key_points = {}, .descriptors = {}};
  for (const cv::Point2d& place : places) {
    features.key_points.push_back({.x = static_cast<float>(place.x),
                                   .y = static_cast<float>(place.y),
                                   .size_px = 8,
                                   .angle_deg = 0});
  }
  return features;
}

std::vector<cv::Point2d> Scattered(int count, uint64_t seed) {
  Random random(RandomKey({seed}));
  std::vector<cv::Point2d> places;
  for (int i = 0; i < count; ++i) {
    places.emplace_back(random.Uniform(50, 460), random.Uniform(50, 460));
  }
  return places;
}

std::vector<cv::Point2d> Mapped(const cv::Matx23d& map, const std::vector<cv::Point2d>& places) {
  std::vector<cv::Point2d> mapped;
  for (const cv::Point2d& p : places) {
    const auto q = map * cv::Vec3d(p.x, p.y, 1);
    mapped.emplace_back(q[0], q[1]);
  }
  return mapped;
}

// Point i with point i.
std::vector<PointPair> InOrder(int count) {
  std::vector<PointPair> pairs;
  for (int i = 0; i < count; ++i) pairs.push_back({.query = i, .gallery = i, .weight = .5f});
  return pairs;
}

TEST(VerifyPairs, KeepsThoseThatOneAffineMapExplains) {
  // 12 pairs follow the map, 18 lead anywhere.
  const cv::Matx23d map(.8, -.3, 90, .25, 1.1, -30);
  const std::vector<cv::Point2d> from = Scattered(30, 1);
  std::vector<cv::Point2d> to = Mapped(map, from);
  const std::vector<cv::Point2d> elsewhere = Scattered(18, 2);
  std::copy(elsewhere.begin(), elsewhere.end(), to.begin() + 12);
  const VerifiedPairs verified = VerifyPairs(PointsAt(from), PointsAt(to), InOrder(30),
                                             {.model = "affine", .tolerance_percent = .5});
  ASSERT_GE(verified.pairs.size(), 12u);
  EXPECT_LE(verified.pairs.size(), 13u);  // one may lie there by chance
  for (int i = 0; i < 12; ++i) EXPECT_EQ(verified.pairs[static_cast<size_t>(i)].query, i);
  EXPECT_NEAR(verified.weight, .5 * static_cast<double>(verified.pairs.size()), 1e-6);
  for (int i = 0; i < 6; ++i) {
    EXPECT_NEAR(verified.map.val[i], map.val[i], i % 3 == 2 ? 3 : .02) << i;
  }
  EXPECT_EQ(verified.map.row(2), cv::Matx13d(0, 0, 1));
}

TEST(VerifyPairs, FindsNothingInPairsThatLeadAnywhere) {
  const VerifiedPairs verified = VerifyPairs(PointsAt(Scattered(15, 3)), PointsAt(Scattered(15, 4)),
                                             InOrder(15), {.tolerance_percent = .5});
  EXPECT_THAT(verified.pairs, IsEmpty());
}

TEST(VerifyPairs, DoesNotTakeAMirrorImageForTheSameSkin) {
  const std::vector<cv::Point2d> from = Scattered(20, 5);
  const cv::Matx23d mirror(-1, 0, 512, 0, 1, 0);
  const LocalFeatures query = PointsAt(from), gallery = PointsAt(Mapped(mirror, from));
  // The one affine map that explains all of them is a reflection.
  EXPECT_THAT(
      VerifyPairs(query, gallery, InOrder(20), {.model = "affine", .tolerance_percent = .5}).pairs,
      IsEmpty());
  // A turn does to points near one line what a reflection does; few lie near one.
  EXPECT_LT(VerifyPairs(query, gallery, InOrder(20), {.tolerance_percent = .5}).pairs.size(), 8u);
}

TEST(VerifyPairs, DoesNotTakeAStrongZoomForAView) {
  const std::vector<cv::Point2d> from = Scattered(20, 6);
  const cv::Matx23d shrunk(.2, 0, 100, 0, .2, 100);  // five times
  EXPECT_THAT(VerifyPairs(PointsAt(from), PointsAt(Mapped(shrunk, from)), InOrder(20)).pairs,
              IsEmpty());
  EXPECT_EQ(
      VerifyPairs(PointsAt(from), PointsAt(Mapped(shrunk, from)), InOrder(20), {.most_zoom = 6})
          .pairs.size(),
      20u);
}

TEST(VerifyPairs, CountsAKeyPointOnceWithItsHeaviestPair) {
  const std::vector<cv::Point2d> places = {
      {100, 100}, {300, 120}, {200, 400}, {420, 330}, {60, 250}};
  std::vector<PointPair> pairs = InOrder(5);
  pairs.push_back({.query = 2, .gallery = 2, .weight = .9f});  // the same pair, heavier
  pairs.push_back({.query = 3, .gallery = 2, .weight = .1f});
  const VerifiedPairs verified = VerifyPairs(PointsAt(places), PointsAt(places), pairs);
  EXPECT_THAT(verified.pairs,
              ElementsAre(PointPair{0, 0, .5f}, PointPair{1, 1, .5f}, PointPair{3, 3, .5f},
                          PointPair{4, 4, .5f}, PointPair{2, 2, .9f}));
  EXPECT_NEAR(verified.weight, 4 * .5 + .9, 1e-6);
}

TEST(VerifyPairs, SaysNothingOfFewerThanFourPairs) {
  const LocalFeatures three = PointsAt({{0, 0}, {100, 0}, {0, 100}});
  EXPECT_THAT(VerifyPairs(three, three, InOrder(3)).pairs, IsEmpty());
  EXPECT_THAT(VerifyPairs(three, three, {}).pairs, IsEmpty());
}

TEST(VerifyPairs, OfASlantedViewNeedsTheAffineModel) {
  const std::vector<cv::Point2d> from = Scattered(20, 8);
  const cv::Matx23d slanted(1.5, .4, -100, 0, .7, 80);
  const LocalFeatures query = PointsAt(from), gallery = PointsAt(Mapped(slanted, from));
  EXPECT_EQ(VerifyPairs(query, gallery, InOrder(20), {.model = "affine", .tolerance_percent = 1})
                .pairs.size(),
            20u);
  EXPECT_LT(VerifyPairs(query, gallery, InOrder(20), {.tolerance_percent = 1}).pairs.size(), 12u);
  EXPECT_THROW(VerifyPairs(query, gallery, InOrder(20), {.model = "afine"}), Error);
}

// A plane that leans away: what is right is smaller than what is left.
const cv::Matx33d kLeaning(1, .05, 20, .1, .9, 10, .001, 0, 1);

std::vector<cv::Point2d> InPerspective(const cv::Matx33d& map,
                                       const std::vector<cv::Point2d>& places) {
  std::vector<cv::Point2d> mapped;
  for (const cv::Point2d& p : places) {
    const auto q = map * cv::Vec3d(p.x, p.y, 1);
    mapped.emplace_back(q[0] / q[2], q[1] / q[2]);
  }
  return mapped;
}

TEST(VerifyPairs, OfAPlaneInPerspectiveNeedsTheHomography) {
  const std::vector<cv::Point2d> from = Scattered(30, 9);
  std::vector<cv::Point2d> to = InPerspective(kLeaning, from);
  const std::vector<cv::Point2d> elsewhere = Scattered(10, 10);
  std::copy(elsewhere.begin(), elsewhere.end(), to.begin() + 20);
  const LocalFeatures query = PointsAt(from), gallery = PointsAt(to);
  const VerifiedPairs verified =
      VerifyPairs(query, gallery, InOrder(30), {.model = "homography", .tolerance_percent = .5});
  ASSERT_GE(verified.pairs.size(), 20u);
  EXPECT_LE(verified.pairs.size(), 21u);  // one may lie there by chance
  for (const cv::Point2d& p : from) {
    const auto expected = InPerspective(kLeaning, {p}), found = InPerspective(verified.map, {p});
    EXPECT_NEAR(found[0].x, expected[0].x, 2);
    EXPECT_NEAR(found[0].y, expected[0].y, 2);
  }
  EXPECT_LT(VerifyPairs(query, gallery, InOrder(30), {.model = "affine", .tolerance_percent = .5})
                .pairs.size(),
            18u);
}

TEST(VerifyPairs, OfAHomographyLooksAtEveryPointThatFits) {
  const GeometryOptions options{.model = "homography", .tolerance_percent = .5};
  const std::vector<cv::Point2d> from = Scattered(20, 11);
  const auto verify = [&](const cv::Matx33d& map) {
    return VerifyPairs(PointsAt(from), PointsAt(InPerspective(map, from)), InOrder(20), options);
  };
  EXPECT_THAT(verify({-1, 0, 512, 0, 1, 0, 0, 0, 1}).pairs, IsEmpty());  // a mirror image
  // Nothing at the left edge, six times and more shrunk at the right one.
  EXPECT_THAT(verify({1, 0, 0, 0, 1, 0, .005, 0, 1}).pairs, IsEmpty());
  const LocalFeatures five = PointsAt({{0, 0}, {100, 0}, {0, 100}, {100, 100}, {50, 40}});
  EXPECT_THAT(VerifyPairs(five, five, InOrder(5), options).pairs, IsEmpty());  // four fit always
}

TEST(VerifyPairs, SurvivesPointsInOnePlaceOrOnOneLine) {
  const LocalFeatures place = PointsAt(std::vector<cv::Point2d>(6, {50, 50}));
  EXPECT_THAT(VerifyPairs(place, place, InOrder(6)).pairs, IsEmpty());
  std::vector<cv::Point2d> line;
  for (int i = 0; i < 8; ++i) line.emplace_back(20 * i, 100);
  EXPECT_LE(
      VerifyPairs(PointsAt(line), PointsAt(line), InOrder(8), {.model = "affine"}).pairs.size(),
      8u);
  const GeometryOptions homography{.model = "homography"};
  EXPECT_THAT(VerifyPairs(place, place, InOrder(6), homography).pairs, IsEmpty());
  EXPECT_LE(VerifyPairs(PointsAt(line), PointsAt(line), InOrder(8), homography).pairs.size(), 8u);
}

TEST(VerifyPairs, MatchesATurnedAndShrunkPictureWithMostOfItsPoints) {
  const cv::Mat picture = Blotches(400, 400, 7);
  const cv::Matx23d map = Turn(picture.size(), 40, .8, 12, -7);
  const KeyPointOptions options{.side_px = 400, .max_key_points = 300};
  const LocalFeatures query = ExtractKeyPoints(picture, options);
  const LocalFeatures gallery = ExtractKeyPoints(Warped(picture, map), options);
  // Each key point with the one whose descriptor is nearest, right or not.
  std::vector<PointPair> pairs;
  for (int64_t i = 0; i < query.size(); ++i) {
    int64_t best = 0, least = std::numeric_limits<int64_t>::max();
    for (int64_t j = 0; j < gallery.size(); ++j) {
      int64_t distance = 0;
      for (int b = 0; b < kDescriptorBytes; ++b) {
        const int difference = query.descriptor(i)[static_cast<size_t>(b)] -
                               gallery.descriptor(j)[static_cast<size_t>(b)];
        distance += difference * difference;
      }
      if (distance < least) std::tie(least, best) = std::pair(distance, j);
    }
    pairs.push_back(
        {.query = static_cast<int32_t>(i), .gallery = static_cast<int32_t>(best), .weight = 1});
  }
  const VerifiedPairs verified = VerifyPairs(query, gallery, pairs, {.tolerance_percent = 1});
  // Part of the picture left the frame, and the strongest 300 are not the same ones.
  EXPECT_GT(verified.pairs.size(), 100u);
  for (int i = 0; i < 6; ++i) {
    EXPECT_NEAR(verified.map.val[i], map.val[i], i % 3 == 2 ? 2 : .01) << i;
  }
}

}  // namespace
}  // namespace fluke
