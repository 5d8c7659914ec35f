// The augmentations that blur, sharpen, add noise or hide parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "tests/train/transform_pictures.h"

namespace fluke::train {
namespace {

using testing::Each;
using testing::ElementsAre;

// One bright pixel in the middle of 7 x 7.
cv::Mat Impulse() {
  cv::Mat image = cv::Mat::zeros(7, 7, CV_8UC1);
  image.at<uint8_t>(3, 3) = 90;
  return image;
}

std::vector<cv::Point> LitPixels(const cv::Mat& image, int value) {
  std::vector<cv::Point> lit;
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x) {
      if (image.at<uint8_t>(y, x) == value) lit.emplace_back(x, y);
    }
  }
  return lit;
}

TEST(Blur, SpreadsAPixelOverTheBox) {
  // 90 over 3 x 3
  const cv::Mat out = Apply({{"blur", {{"blur_limit", {3}}}}}, Impulse());
  EXPECT_EQ(LitPixels(out, 10).size(), 9u);
  EXPECT_EQ(cv::sum(out)[0], 90);
}

TEST(MotionBlur, SpreadsAPixelAlongTheLine) {
  const auto blurred = [](double angle, double direction) {
    return Apply({{"motion_blur",
                   {{"blur_limit", {5, 5}},
                    {"angle_range", {angle}},
                    {"direction_range", {direction}},
                    {"allow_shifted", {0}}}}},
                 Impulse());
  };
  using P = cv::Point;
  // As albumentations 2.0.8: 90 / 5 across and upright; on the diagonal the line has three pixels
  // of 90 / 3.
  EXPECT_THAT(LitPixels(blurred(0, 0), 18),
              ElementsAre(P(1, 3), P(2, 3), P(3, 3), P(4, 3), P(5, 3)));
  EXPECT_THAT(LitPixels(blurred(90, 0), 18),
              ElementsAre(P(3, 1), P(3, 2), P(3, 3), P(3, 4), P(3, 5)));
  EXPECT_THAT(LitPixels(blurred(45, 0), 30), ElementsAre(P(2, 2), P(3, 3), P(4, 4)));
  EXPECT_THAT(LitPixels(blurred(0, 1), 30), ElementsAre(P(1, 3), P(2, 3), P(3, 3)));
}

TEST(Sharpen, WeighsThePixelAgainstItsNeighbours) {
  // alpha .5, lightness 1: .5 * 90 + .5 * (8 + 1) * 90 = 450, clipped; neighbours -.5 * 90, clipped
  // to 0.
  const cv::Mat out = Apply({{"sharpen", {{"alpha", {0.5}}, {"lightness", {1}}}}}, Impulse());
  EXPECT_EQ(out.at<uint8_t>(3, 3), 255);
  EXPECT_EQ(cv::sum(out)[0], 255);
  // albumentations 2.0.8, first rows
  const Pixels expected{0, 0, 0, 0, 0, 20, 60, 70, 80, 120, 70, 110, 120, 130, 170};
  const cv::Mat steps = Apply({{"sharpen", {{"alpha", {0.5}}, {"lightness", {1}}}}}, Steps());
  EXPECT_THAT(Channel(steps.rowRange(0, 3), 0), PixelsNear(expected, 1));
}

TEST(GaussNoise, IsNormalWithTheAskedMeanAndDeviation) {
  const cv::Mat image(400, 400, CV_8UC3, cv::Scalar::all(128));
  const cv::Mat out =
      Apply({{"gauss_noise", {{"std_range", {0.1}}, {"mean_range", {0.05}}}}}, image);
  double sum = 0, squares = 0, fourth = 0, neighbours = 0, channels = 0;
  const double mean = 128 + 0.05 * 255, n = 400 * 400 * 3;
  for (int y = 0; y < 400; ++y) {
    const uint8_t* row = out.ptr(y);
    for (int i = 0; i < 1200; ++i) {
      const double d = row[i] - mean;
      sum += d;
      squares += d * d;
      fourth += d * d * d * d;
      if (i >= 3) neighbours += d * (row[i - 3] - mean);
      if (i % 3 == 2) channels += d * (row[i - 1] - mean);
    }
  }
  const double variance = squares / n;
  EXPECT_NEAR(sum / n, 0, 0.2);  // five standard errors: 5 * 25.5 / sqrt(480000)
  EXPECT_NEAR(std::sqrt(variance), 25.5,
              0.15);  // rounding to whole values adds 1/12 to the variance
  EXPECT_NEAR(fourth / n / variance / variance, 3, 0.05);  // five standard errors: 5 * sqrt(24 / n)
  EXPECT_NEAR(neighbours / squares, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(channels / squares * 3, 0, 5 / std::sqrt(n / 3));
}

TEST(GaussNoise, MayBeTheSameForAllChannels) {
  const cv::Mat image(20, 20, CV_8UC3, cv::Scalar::all(128));
  const cv::Mat out = Apply({{"gauss_noise", {{"per_channel", {0}}}}}, image);
  EXPECT_EQ(Channel(out, 0), Channel(out, 1));
  EXPECT_EQ(Channel(out, 0), Channel(out, 2));
  EXPECT_FALSE(Same(out, image));
}

TEST(Rain, DarkensAndDrawsStreaks) {
  const cv::Mat image(80, 80, CV_8UC3, cv::Scalar::all(100));
  // Without drops only the brightness is left: 100 * .7
  EXPECT_THAT(Channel(Apply({{"rain", {{"density", {0}}}}}, image), 0), Each(70));
  // One drop, upright, an eighth of 80 = 10 px long (both ends drawn), unblurred: 100 + 200 is
  // clipped to 255.
  const Params drop{{"density", {1.0 / 79}},
                    {"slant_range", {0}},
                    {"blur_value", {1}},
                    {"brightness_coefficient", {1}}};
  const cv::Mat out = Apply({{"rain", drop}}, image);
  const Pixels values = Channel(out, 0);
  EXPECT_EQ(std::count(values.begin(), values.end(), 255), 11);
  EXPECT_EQ(std::count(values.begin(), values.end(), 100), 80 * 80 - 11);
}

TEST(CoarseDropout, BlacksOutTheAskedArea) {
  const cv::Mat image(100, 200, CV_8UC1, cv::Scalar(9));
  // One hole of .2 * 100 by .1 * 200 px.
  const Params share{
      {"num_holes_range", {1}}, {"hole_height_range", {0.2}}, {"hole_width_range", {0.1}}};
  EXPECT_EQ(cv::countNonZero(Apply({{"coarse_dropout", share}}, image)), 100 * 200 - 20 * 20);
  const Params pixels{{"num_holes_range", {1}},
                      {"hole_height_range", {30}},
                      {"hole_width_range", {7}},
                      {"fill", {0}}};
  EXPECT_EQ(cv::countNonZero(Apply({{"coarse_dropout", pixels}}, image)), 100 * 200 - 30 * 7);
}

TEST(CoarseDropout, DrawsTheNumberOfHolesFromItsRange) {
  const cv::Mat image(64, 64, CV_8UC1, cv::Scalar(9));
  const Params params{
      {"num_holes_range", {0, 2}}, {"hole_height_range", {1, 1}}, {"hole_width_range", {1, 1}}};
  std::set<int> holes;
  for (uint64_t key = 0; key < 100; ++key) {
    holes.insert(64 * 64 -
                 cv::countNonZero(Apply({{"coarse_dropout", params}}, image, RandomKey({key}))));
  }
  EXPECT_THAT(holes, ElementsAre(0, 1, 2));
}

TEST(RandomErasing, ErasesOneBoxOfTheAskedArea) {
  const cv::Mat image(100, 100, CV_8UC1, cv::Scalar(9));
  // A quarter of the area, square: 50 x 50
  const Params params{{"scale", {0.25}}, {"ratio", {1}}};
  EXPECT_EQ(cv::countNonZero(Apply({{"random_erasing", params}}, image)), 100 * 100 - 50 * 50);
}

}  // namespace
}  // namespace fluke::train
