// The augmentations that move pixels, and how several of them are one warp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/train/transform_pictures.h"

namespace fluke::train {
namespace {

using testing::ElementsAre;

TEST(Flip, ExchangesLeftAndRight) {
  EXPECT_THAT(Channel(Apply({{"horizontal_flip"}}, Gray(3, {1, 2, 3, 4, 5, 6})), 0),
              ElementsAre(3, 2, 1, 6, 5, 4));
}

TEST(Flip, ExchangesTopAndBottom) {
  EXPECT_THAT(Channel(Apply({{"vertical_flip"}}, Gray(3, {1, 2, 3, 4, 5, 6})), 0),
              ElementsAre(4, 5, 6, 1, 2, 3));
}

TEST(Flip, AppliedWithItsProbability) {
  const Augmenter chain = Chain({{"horizontal_flip", {}, 0.3}});
  const cv::Mat image = Gray(2, {1, 2});
  int flipped = 0;
  for (uint64_t key = 0; key < 10000; ++key) {
    Random random(RandomKey({key}));
    flipped += chain.Apply(image, random).data[0] == 2;
  }
  EXPECT_NEAR(flipped, 3000, 5 * std::sqrt(10000 * 0.3 * 0.7));  // five standard deviations
}

TEST(Rotate, TurnsCounterClockwise) {
  // The right column becomes the top row.
  const cv::Mat out = Apply({{"rotate", {{"limit", {90, 90}}}}}, Steps());
  EXPECT_THAT(Channel(out, 1),
              ElementsAre(40, 90, 140, 190, 240, 30, 80, 130, 180, 230, 20, 70, 120, 170, 220, 10,
                          60, 110, 160, 210, 0, 50, 100, 150, 200));
}

TEST(Rotate, InterpolatesAsAlbumentationsDoes) {
  // albumentations 2.0.8, Rotate(limit=(30, 30)); its coordinates are rounded to 1/32 pixel.
  const Pixels expected{3,   16,  43, 77,  28,  14,  48,  82, 115, 113, 53,  86, 120,
                        154, 187, 72, 125, 158, 192, 226, 37, 163, 197, 168, 61};
  EXPECT_THAT(Channel(Apply({{"rotate", {{"limit", {30, 30}}}}}, Steps()), 0),
              PixelsNear(expected, 4));
}

TEST(Rotate, OneNumberIsARangeOnBothSides) {
  // A bright pixel right of the centre goes up or down, each about half the time.
  cv::Mat image = cv::Mat::zeros(21, 21, CV_8UC1);
  image.at<uint8_t>(10, 20) = 255;
  int up = 0;
  for (uint64_t key = 0; key < 200; ++key) {
    const cv::Mat out = Apply({{"rotate", {{"limit", {40}}}}}, image, RandomKey({key}));
    up += cv::sum(out.rowRange(0, 10))[0] > cv::sum(out.rowRange(11, 21))[0];
  }
  EXPECT_NEAR(up, 100, 36);  // five standard deviations
}

TEST(Affine, ShiftsByWholePixelsAndFillsWithBlack) {
  // A fifth of five pixels to the right and down.
  const cv::Mat out = Apply({{"affine", {{"translate_percent", {0.2}}}}}, Steps());
  EXPECT_THAT(Channel(out, 2), ElementsAre(0, 0, 0, 0, 0, 0, 0, 10, 20, 30, 0, 50, 60, 70, 80, 0,
                                           100, 110, 120, 130, 0, 150, 160, 170, 180));
}

TEST(Affine, ScalesRotatesAndShearsAsAlbumentationsDoes) {
  // albumentations 2.0.8, Affine with the same parameters, first channel.
  const Pixels sheared{0,   0,   8,   29,  61,  0,   26, 58,  91,  123, 40, 87, 120,
                       153, 126, 117, 149, 182, 214, 66, 179, 211, 159, 66, 0};
  EXPECT_THAT(Channel(Apply({{"affine", {{"shear", {20}}}}}, Steps()), 0), PixelsNear(sheared, 4));
  const Pixels scaled{24,  46,  69,  91,  114, 50,  72,  94,  117, 139, 75,  98, 120,
                      142, 165, 101, 123, 146, 168, 190, 126, 149, 171, 194, 216};
  EXPECT_THAT(Channel(Apply({{"affine", {{"scale", {1.5}}, {"rotate", {30}}}}}, Steps()), 0),
              PixelsNear(scaled, 4));
  const Pixels turned{14,  36,  60, 84, 108, 22,  56,  96, 136, 176, 17,  48, 88,
                      128, 168, 12, 40, 80,  120, 160, 7,  32,  72,  112, 152};
  EXPECT_THAT(
      Channel(
          Apply({{"affine", {{"scale", {1.25}}, {"rotate", {90}}, {"translate_percent", {0.2}}}}},
                Steps()),
          0),
      PixelsNear(turned, 4));
}

TEST(Perspective, FillsThePictureFromInsideIt) {
  const cv::Mat image(40, 60, CV_8UC3, cv::Scalar(100, 150, 200));
  for (uint64_t key = 0; key < 20; ++key) {
    EXPECT_TRUE(Same(Apply({{"perspective", {{"scale", {0.1, 0.1}}}}}, image, key), image)) << key;
  }
}

TEST(Perspective, MovesNothingAtScaleZero) {
  EXPECT_TRUE(Same(Apply({{"perspective", {{"scale", {0, 0}}}}}, Steps()), Steps()));
}

TEST(Elastic, DisplacesByAsMuchAsAlbumentationsDoes) {
  // A ramp of one grey value a pixel shows the displacement. albumentations 2.0.8,
  // generate_displacement_fields for alpha 300, sigma 6, 256 x 256: standard deviation 3.33 px
  // (mean of 20 fields); correlation of pixels sigma apart about .75 (theory e^-1/4).
  cv::Mat ramp(256, 256, CV_8UC1);
  for (int y = 0; y < 256; ++y) {
    for (int x = 0; x < 256; ++x) ramp.at<uint8_t>(y, x) = static_cast<uint8_t>(x);
  }
  double squares = 0, products = 0;
  int count = 0;
  for (uint64_t key = 0; key < 10; ++key) {
    const cv::Mat out = Apply({{"elastic", {{"alpha", {300}}, {"sigma", {6}}}}}, ramp, key);
    const auto shift = [&](int y, int x) { return static_cast<double>(out.at<uint8_t>(y, x)) - x; };
    for (int y = 30; y < 226; ++y) {
      for (int x = 30; x < 220; ++x) {
        squares += shift(y, x) * shift(y, x);
        products += shift(y, x) * shift(y, x + 6);
        ++count;
      }
    }
  }
  EXPECT_NEAR(std::sqrt(squares / count), 3.33, 0.35);
  EXPECT_NEAR(products / squares, 0.75, 0.08);
}

TEST(RandomResizedCrop, TakesTheWholePictureAtFullScaleAndItsOwnRatio) {
  // One number for the ratio is a range of one: 64 / 48.
  const cv::Mat image = Textured(CV_8UC3);
  EXPECT_TRUE(
      Same(Apply({{"random_resized_crop", {{"scale", {1}}, {"ratio", {4.0 / 3}}}}}, image), image));
}

TEST(RandomResizedCrop, BlowsUpABoxOfTheAskedArea) {
  // A quarter of the area at the picture's ratio: a ramp of slope 2 across is of slope 1 after
  // doubling.
  cv::Mat ramp(60, 80, CV_8UC1);
  for (int y = 0; y < 60; ++y) {
    for (int x = 0; x < 80; ++x) ramp.at<uint8_t>(y, x) = static_cast<uint8_t>(2 * x);
  }
  const cv::Mat out =
      Apply({{"random_resized_crop", {{"scale", {0.25}}, {"ratio", {4.0 / 3}}}}}, ramp, 3);
  EXPECT_NEAR(out.at<uint8_t>(30, 70) - out.at<uint8_t>(30, 10), 60, 1);
}

TEST(Geometry, TwoStepsShareOneInterpolation) {
  // A rotation there and back leaves the picture as it was: interpolated twice, corners would be
  // lost.
  const cv::Mat out =
      Apply({{"rotate", {{"limit", {30, 30}}}}, {"rotate", {{"limit", {-30, -30}}}}}, Steps());
  EXPECT_THAT(Channel(out, 0), PixelsNear(Channel(Steps(), 0), 1));
}

TEST(Geometry, FlipsComposeWithRotationsInOrder) {
  // Flipped first, the left column stands right and becomes the top row.
  const cv::Mat out = Apply({{"horizontal_flip"}, {"rotate", {{"limit", {90, 90}}}}},
                            Gray(3, {1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_THAT(Channel(out, 0), ElementsAre(1, 4, 7, 2, 5, 8, 3, 6, 9));
}

TEST(Geometry, ColoursAppliedAfterAWarpReachItsFill) {
  // The shift brings in black, which the colour step then makes 20.
  const cv::Mat out = Apply(
      {{"affine", {{"translate_percent", {0.5}}}},
       {"rgb_shift",
        {{"r_shift_limit", {20, 20}}, {"g_shift_limit", {20, 20}}, {"b_shift_limit", {20, 20}}}}},
      Gray(2, {100, 100, 100, 100}));
  EXPECT_THAT(Channel(out, 0), ElementsAre(20, 20, 20, 120));
}

TEST(Geometry, ColoursAppliedBeforeAWarpDoNotReachItsFill) {
  const cv::Mat out = Apply(
      {{"rgb_shift",
        {{"r_shift_limit", {20, 20}}, {"g_shift_limit", {20, 20}}, {"b_shift_limit", {20, 20}}}},
       {"affine", {{"translate_percent", {0.5}}}}},
      Gray(2, {100, 100, 100, 100}));
  EXPECT_THAT(Channel(out, 0), ElementsAre(0, 0, 0, 120));
}

TEST(Geometry, TheFinalResizeMayBePartOfTheWarp) {
  // Halved, a pixel is fetched from between four: the means of 1, 2, 5, 6 and of 3, 4, 7, 8 are 3.5
  // and 5.5; flipped.
  const cv::Mat image = Gray(4, {1, 2, 3, 4, 5, 6, 7, 8});
  const cv::Mat out = Apply({{"horizontal_flip"}}, image, 1, {2, 1});
  EXPECT_THAT(Channel(out, 0), PixelsNear(Pixels{6, 4}, 1));
  EXPECT_EQ(Apply({{"elastic"}}, Steps(), 1, {3, 2}).size(), cv::Size(3, 2));
  EXPECT_EQ(Apply({}, Steps(), 1, {3, 2}).size(), cv::Size(3, 2));
}

}  // namespace
}  // namespace fluke::train
