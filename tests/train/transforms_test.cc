// What all augmentations have in common, and how they are read from YAML.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "common/error.h"
#include "tests/train/transform_pictures.h"

namespace fluke::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

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
