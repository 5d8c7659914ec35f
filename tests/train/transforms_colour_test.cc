// The augmentations that change colours alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/train/transform_pictures.h"

namespace fluke::train {
namespace {

using testing::ElementsAre;

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

}  // namespace
}  // namespace fluke::train
