// The augmentations: what each does to pictures small enough to follow by hand, and what all have
// in common.
#include "train/data/transforms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "common/error.h"

namespace fluke::train {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using Params = std::map<std::string, std::vector<double>>;
using Pixels = std::vector<int>;

struct Named {
  std::string name;
  Params params = {};
  double p = 1;
};

Augmenter Chain(const std::vector<Named>& steps) {
  google::protobuf::RepeatedPtrField<v1::Transform> transforms;
  for (const Named& step : steps) {
    v1::Transform& transform = *transforms.Add();
    transform.set_name(step.name);
    transform.set_p(step.p);
    for (const auto& [name, numbers] : step.params) {
      for (double number : numbers) (*transform.mutable_params())[name].add_value(number);
    }
  }
  return Augmenter(transforms, ConfigSource());
}

cv::Mat Apply(const std::vector<Named>& steps, const cv::Mat& image, uint64_t key = 1,
              cv::Size size = {}) {
  Random random(key);
  return Chain(steps).Apply(image, random, size);
}

cv::Mat Gray(int width, const Pixels& values) {
  cv::Mat image(static_cast<int>(values.size()) / width, width, CV_8UC1);
  for (size_t i = 0; i < values.size(); ++i) image.data[i] = static_cast<uint8_t>(values[i]);
  return image;
}

cv::Mat Rgb(const cv::Mat& gray) {
  cv::Mat image;
  cv::merge(std::vector<cv::Mat>{gray, gray, gray}, image);
  return image;
}

Pixels Channel(const cv::Mat& image, int channel) {
  Pixels values;
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x)
      values.push_back(image.ptr(y)[x * image.channels() + channel]);
  }
  return values;
}

Pixels OnlyPixel(const cv::Mat& image) { return {image.data[0], image.data[1], image.data[2]}; }

cv::Mat Pixel(int r, int g, int b) { return cv::Mat(1, 1, CV_8UC3, cv::Scalar(r, g, b)); }

MATCHER_P2(PixelsNear, expected, tolerance, "") {
  if (arg.size() != expected.size()) return false;
  for (size_t i = 0; i < arg.size(); ++i) {
    if (std::abs(arg[i] - expected[i]) > tolerance) {
      *result_listener << "pixel " << i << " is " << arg[i] << ", expected " << expected[i];
      return false;
    }
  }
  return true;
}

bool Same(const cv::Mat& a, const cv::Mat& b) {
  return a.size() == b.size() && a.type() == b.type() && cv::norm(a, b, cv::NORM_INF) == 0;
}

// 0, 10, ... 240 in rows of five.
cv::Mat Steps() {
  Pixels values(25);
  for (int i = 0; i < 25; ++i) values[i] = 10 * i;
  return Rgb(Gray(5, values));
}

// Nothing about it is symmetric, and no value is at the ends of the range.
cv::Mat Textured(int type) {
  cv::Mat image(48, 64, type);
  Random random(7);
  for (int y = 0; y < image.rows; ++y) {
    uint8_t* row = image.ptr(y);
    for (int i = 0; i < image.cols * image.channels(); ++i) {
      row[i] = static_cast<uint8_t>(40 + 2 * y + i % 17 + random.Below(40));
    }
  }
  return image;
}

class EveryTransform : public testing::TestWithParam<std::tuple<std::string, int>> {
 protected:
  const std::string name_ = std::get<0>(GetParam());
  const cv::Mat image_ = Textured(std::get<1>(GetParam()));
};

TEST_P(EveryTransform, KeepsSizeAndTypeAndLeavesItsInputAlone) {
  const cv::Mat before = image_.clone();
  for (uint64_t key = 0; key < 20; ++key) {
    const cv::Mat out = Apply({{name_}}, image_, key);
    EXPECT_EQ(out.size(), image_.size());
    EXPECT_EQ(out.type(), image_.type());
  }
  EXPECT_TRUE(Same(image_, before));
}

TEST_P(EveryTransform, ChangesNothingWithProbabilityZero) {
  EXPECT_TRUE(Same(Apply({{name_, {}, 0}}, image_), image_));
}

TEST_P(EveryTransform, ChangesThePictureWithProbabilityOne) {
  if (name_ == "to_gray" && image_.channels() == 1) GTEST_SKIP() << "grey already";
  // As in albumentations, an affine transform does nothing that was not asked for.
  const Params params = name_ == "affine" ? Params{{"rotate", {10, 20}}} : Params{};
  int changed = 0;
  for (uint64_t key = 0; key < 10; ++key)
    changed += !Same(Apply({{name_, params}}, image_, key), image_);
  EXPECT_GE(changed, 9);
}

TEST_P(EveryTransform, IsAFunctionOfThePictureAndTheKey) {
  const cv::Mat first = Apply({{name_}}, image_, 5).clone();
  Apply({{name_}}, image_, 6);
  EXPECT_TRUE(Same(Apply({{name_}}, image_, 5), first));
}

TEST_P(EveryTransform, WorksOnPicturesOfOnePixelAndOneRow) {
  for (const cv::Size size : {cv::Size(1, 1), cv::Size(9, 1), cv::Size(1, 9), cv::Size(2, 3)}) {
    const cv::Mat image(size, image_.type(), cv::Scalar::all(90));
    for (uint64_t key = 0; key < 5; ++key)
      EXPECT_EQ(Apply({{name_}}, image, key).size(), size) << size;
  }
}

std::vector<std::string> AllNames() {
  std::vector<std::string> names;
  for (const TransformRow& row : Transforms()) names.emplace_back(row.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Table, EveryTransform,
                         testing::Combine(testing::ValuesIn(AllNames()),
                                          testing::Values(CV_8UC1, CV_8UC3)),
                         [](const auto& test) {
                           return std::get<0>(test.param) +
                                  (std::get<1>(test.param) == CV_8UC1 ? "_gray" : "_rgb");
                         });

TEST(Transforms, CoverTheWhaleRecipe) {
  const std::vector<std::string> names = AllNames();
  const std::set<std::string> known(names.begin(), names.end());
  EXPECT_EQ(known.size(), names.size());
  for (const char* name : {"gauss_noise", "blur", "motion_blur", "rain", "rgb_shift",
                           "brightness_contrast", "hue_saturation_value", "sharpen", "perspective",
                           "elastic", "rotate", "affine", "coarse_dropout", "horizontal_flip"}) {
    EXPECT_TRUE(known.contains(name)) << name;
  }
}

TEST(Transforms, HaveDefaultsWithinWhatTheyAllow) {
  for (const TransformRow& row : Transforms()) {
    for (const ParamRow& param : row.params) {
      EXPECT_LE(param.min, param.low) << row.name << "." << param.name;
      EXPECT_LE(param.low, param.high) << row.name << "." << param.name;
      EXPECT_LE(param.high, param.max) << row.name << "." << param.name;
    }
  }
}

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

TEST(BrightnessContrast, ScalesThenAdds) {
  // 100 * 1.1 + .2 * 255 = 161, as albumentations 2.0.8 gives too.
  const Params params{{"brightness_limit", {0.2, 0.2}}, {"contrast_limit", {0.1, 0.1}}};
  EXPECT_THAT(OnlyPixel(Apply({{"brightness_contrast", params}}, Pixel(100, 0, 250))),
              ElementsAre(161, 51, 255));
}

TEST(BrightnessContrast, MayAddAShareOfTheMean) {
  // Mean of 0, 100, 200 is 100: 100 * 1 + .5 * 100 = 150.
  const Params params{
      {"brightness_limit", {0.5, 0.5}}, {"contrast_limit", {0}}, {"brightness_by_max", {0}}};
  EXPECT_THAT(OnlyPixel(Apply({{"brightness_contrast", params}}, Pixel(0, 100, 200))),
              ElementsAre(50, 150, 250));
}

TEST(RgbShift, AddsToEachChannelAndClips) {
  const Params params{
      {"r_shift_limit", {10, 10}}, {"g_shift_limit", {-20, -20}}, {"b_shift_limit", {30, 30}}};
  EXPECT_THAT(OnlyPixel(Apply({{"rgb_shift", params}}, Pixel(200, 15, 250))),
              ElementsAre(210, 0, 255));
}

TEST(HueSaturationValue, ShiftsAsAlbumentationsDoes) {
  // albumentations 2.0.8, HueSaturationValue with these shifts; its hue is rounded to 2 degrees
  // before.
  const Params all{{"hue_shift_limit", {10, 10}},
                   {"sat_shift_limit", {20, 20}},
                   {"val_shift_limit", {-15, -15}}};
  const Params hue{
      {"hue_shift_limit", {-13, -13}}, {"sat_shift_limit", {0}}, {"val_shift_limit", {0}}};
  const auto shifted = [](const Params& params, const cv::Mat& pixel) {
    return OnlyPixel(Apply({{"hue_saturation_value", params}}, pixel));
  };
  EXPECT_THAT(shifted(all, Pixel(200, 100, 50)), PixelsNear(Pixels{185, 134, 32}, 3));
  EXPECT_THAT(shifted(all, Pixel(10, 220, 130)), PixelsNear(Pixels{0, 205, 185}, 3));
  EXPECT_THAT(shifted(all, Pixel(90, 80, 250)), PixelsNear(Pixels{128, 57, 235}, 3));
  EXPECT_THAT(shifted(all, Pixel(77, 77, 77)), ElementsAre(62, 62, 62));  // grey stays grey
  EXPECT_THAT(shifted(hue, Pixel(200, 100, 50)), PixelsNear(Pixels{200, 50, 65}, 5));
  EXPECT_THAT(shifted(hue, Pixel(10, 220, 130)), PixelsNear(Pixels{10, 220, 38}, 5));
  EXPECT_THAT(shifted(hue, Pixel(90, 80, 250)), PixelsNear(Pixels{80, 143, 250}, 5));
}

TEST(HueSaturationValue, WithoutShiftsGivesEveryColourBack) {
  cv::Mat image(64, 64, CV_8UC3);
  Random random(3);
  for (int i = 0; i < 64 * 64 * 3; ++i) image.data[i] = static_cast<uint8_t>(random.Below(256));
  const Params none{{"hue_shift_limit", {0}}, {"sat_shift_limit", {0}}, {"val_shift_limit", {0}}};
  // Saturation is rounded to 1/255, of a value up to 255.
  EXPECT_LE(cv::norm(Apply({{"hue_saturation_value", none}}, image), image, cv::NORM_INF), 1);
}

TEST(Gamma, RaisesToThePower) {
  // 255 * (100 / 255)^1.5 = 62.6
  EXPECT_THAT(Channel(Apply({{"gamma", {{"gamma_limit", {150, 150}}}}}, Gray(1, {100})), 0),
              ElementsAre(63));
}

TEST(ToGray, TakesLuma) {
  // .299 * 200 + .587 * 100 + .114 * 50 = 124.2
  EXPECT_THAT(OnlyPixel(Apply({{"to_gray"}}, Pixel(200, 100, 50))), ElementsAre(124, 124, 124));
}

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

// The message of building `yaml`'s augment list.
std::string ErrorOf(const std::string& yaml) {
  v1::TrainConfig config;
  try {
    const ConfigSource source = ParseConfig(yaml, "train.yaml", {}, &config);
    Augmenter(config.augment(), source);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
    return error.what();
  }
  return "no error";
}

TEST(AugmenterConfig, IsReadFromYaml) {
  v1::TrainConfig config;
  const ConfigSource source = ParseConfig(
      "data: {manifest: x.csv}\naugment:\n  horizontal_flip: 1\n  rgb_shift: {p: 1, r_shift_limit: "
      "[10, 10], g_shift_limit: 0, "
      "b_shift_limit: 0}\n",
      "train.yaml", {}, &config);
  const Augmenter augmenter(config.augment(), source);
  Random random(1);
  cv::Mat image(1, 2, CV_8UC3, cv::Scalar(1, 2, 3));
  image.at<cv::Vec3b>(0, 1) = {50, 60, 70};
  EXPECT_THAT(OnlyPixel(augmenter.Apply(image, random)), ElementsAre(60, 60, 70));
}

TEST(AugmenterConfig, SuggestsTheTransformThatWasMeant) {
  EXPECT_THAT(ErrorOf("data: {manifest: x.csv}\naugment:\n  rotat: .3\n"),
              AllOf(HasSubstr("train.yaml:3"), HasSubstr("unknown transform 'rotat'"),
                    HasSubstr("did you mean 'rotate'")));
}

TEST(AugmenterConfig, SuggestsTheParameterThatWasMeant) {
  EXPECT_THAT(
      ErrorOf("data: {manifest: x.csv}\naugment:\n  rotate:\n    p: .3\n    limits: 20\n"),
      AllOf(HasSubstr("train.yaml:5"), HasSubstr("limits"), HasSubstr("did you mean 'limit'")));
}

TEST(AugmenterConfig, NamesWhatIsOutOfRange) {
  EXPECT_THAT(
      ErrorOf("data: {manifest: x.csv}\naugment:\n  gauss_noise: {std_range: [0.1, 1.5]}\n"),
      AllOf(HasSubstr("train.yaml:3"), HasSubstr("std_range"),
            HasSubstr("1.5 is out of range; expected 0 to 1")));
  EXPECT_THAT(ErrorOf("data: {manifest: x.csv}\naugment:\n  blur: {blur_limit: [7, 3]}\n"),
              HasSubstr("expected [low, high], found [7, 3]"));
  EXPECT_THAT(ErrorOf("data: {manifest: x.csv}\naugment:\n  rotate: {limit: [1, 2, 3]}\n"),
              HasSubstr("expected a number or [low, high], found 3 numbers"));
  EXPECT_THAT(ErrorOf("data: {manifest: x.csv}\naugment:\n  coarse_dropout: {fill: [1, 2]}\n"),
              HasSubstr("expected one number, found 2 numbers"));
  EXPECT_THAT(ErrorOf("data: {manifest: x.csv}\naugment:\n  gauss_noise: {std_range: .nan}\n"),
              HasSubstr("std_range"));
}

}  // namespace
}  // namespace fluke::train
