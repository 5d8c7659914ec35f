#include "common/local/extract_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include <opencv2/imgcodecs.hpp>

#include "common/files.h"
#include "tests/common/local_pictures.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using ::testing::HasSubstr;

const KeyPointOptions kOptions{.side_px = 150, .max_key_points = 80};

std::string Png(const cv::Mat& picture) {
  std::vector<uint8_t> bytes;
  cv::imencode(".png", picture, bytes);
  return {bytes.begin(), bytes.end()};
}

class ExtractManifestTest : public ::testing::Test {
 protected:
  // Forty photographs of different sizes; the CSV's third row is no image where `with_bad`.
  Manifest Photos(bool with_bad) {
    std::string csv = "path,x,y,w,h\n";
    for (int i = 0; i < 40; ++i) {
      const std::string name = StrCat(i, ".png");
      WriteFileAtomically(scratch_ / name, with_bad && i == 2 ? "no image" : Png(Picture(i)));
      csv += StrCat(name, i == 5 ? ",10,20,90,70\n" : ",,,,\n");
    }
    WriteFileAtomically(scratch_ / "photos.csv", csv);
    return ReadManifest(scratch_ / "photos.csv");
  }
  static cv::Mat Picture(int i) { return Blotches(120 + i, 100, static_cast<uint64_t>(i)); }

  Scratch scratch_;
};

TEST_F(ExtractManifestTest, GivesEachPhotographsKeyPointsInOrderWhateverTheThreads) {
  const Manifest manifest = Photos(false);
  for (const int threads : {1, 3}) {
    int64_t number = 0;
    const Extraction extraction = ExtractManifest(
        manifest, {.key_points = kOptions, .threads = threads},
        [&](const ManifestItem& item, const LocalFeatures& features) {
          EXPECT_EQ(item.path, StrCat(number, ".png"));
          const cv::Mat picture = Picture(static_cast<int>(number));
          const cv::Mat part = number == 5 ? picture(cv::Rect(10, 20, 90, 70)).clone() : picture;
          EXPECT_EQ(features.descriptors, ExtractKeyPoints(part, kOptions).descriptors);
          const Box all{.x = 0, .y = 0, .w = 1, .h = 1};
          const Box cut{.x = 10 / 125.f, .y = .2f, .w = 90 / 125.f, .h = .7f};  // of 125 x 100
          EXPECT_EQ(features.part, number == 5 ? cut : all);
          ++number;
        });
    EXPECT_EQ(number, 40);
    EXPECT_EQ(extraction.photos, 40);
    EXPECT_GT(extraction.key_points, 40 * 20);
    EXPECT_GT(extraction.extract_s, 0);
  }
}

TEST_F(ExtractManifestTest, StopsAtABadPhotographOrLeavesItOut) {
  const Manifest manifest = Photos(true);
  const auto ignore = [](const ManifestItem&, const LocalFeatures&) {};
  EXPECT_THAT(ErrorOf([&] { ExtractManifest(manifest, {.key_points = kOptions}, ignore); }).what(),
              HasSubstr("2.png"));
  std::vector<std::string> paths;
  const Extraction extraction = ExtractManifest(
      manifest, {.key_points = kOptions, .skip_bad = true},
      [&](const ManifestItem& item, const LocalFeatures&) { paths.push_back(item.path); });
  EXPECT_EQ(paths.size(), 39u);
  EXPECT_EQ(extraction.photos, 39);
  ASSERT_EQ(extraction.bad.size(), 1u);
  EXPECT_EQ(extraction.bad[0].path, "2.png");
  EXPECT_EQ(extraction.bad[0].line, 4);
}

TEST(ExtractEncoded, LooksAtThePartInTheCropBox) {
  const cv::Mat picture = Blotches(200, 160, 3);
  const std::string png = Png(picture);
  EXPECT_EQ(ExtractEncoded(png, {}, kOptions).descriptors,
            ExtractKeyPoints(picture, kOptions).descriptors);
  EXPECT_EQ(ExtractEncoded(png, Box{.x = 20, .y = 30, .w = 100, .h = 80}, kOptions).descriptors,
            ExtractKeyPoints(picture(cv::Rect(20, 30, 100, 80)).clone(), kOptions).descriptors);
  EXPECT_THROW(ExtractEncoded("no image", {}, kOptions), Error);
}

}  // namespace
}  // namespace fluke
