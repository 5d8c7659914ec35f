#include "common/curation/image_hash.h"

#include <gtest/gtest.h>

#include <opencv2/imgproc.hpp>

namespace fluke {
namespace {

template <typename Level>
cv::Mat Gray(int width, int height, const Level& level) {
  cv::Mat gray(height, width, CV_8UC1);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x)
      gray.at<uint8_t>(y, x) = static_cast<uint8_t>(level(x, y) % 256);
  }
  return gray;
}

cv::Mat Pattern(int side) {
  return Gray(side, side, [](int x, int y) {
    return x * x * 3 + y * 7 + x * y / 2 + 40 * ((x / 5 + y / 3) % 2);
  });
}

// imagehash's formula in SciPy 1.17.1: dct(dct(pixels, axis=0), axis=1)[:8, :8] > median, as hex.
TEST(PerceptualHash, IsThatOfImagehashWhereNothingIsResized) {
  EXPECT_EQ(PerceptualHash(Pattern(32)), 0xcb0007b79c539f72u);
}

// imagehash's formula in NumPy 2.4.6: pixels[:, 1:] > pixels[:, :-1], as hex.
TEST(DifferenceHash, IsThatOfImagehashWhereNothingIsResized) {
  const cv::Mat gray = Gray(9, 8, [](int x, int y) { return x * 37 + y * y * 11 + x * x * y; });
  EXPECT_EQ(DifferenceHash(gray), 0xfdfbf7eebbf5daecu);
}

// Strangers differ in 32 bits of 64 on average.
TEST(ImageHashes, ChangeLittleWithSizeLightAndColourSpace) {
  cv::Mat smooth, half, light, rgb;
  cv::GaussianBlur(Pattern(256), smooth, {}, 6);
  cv::resize(smooth, half, {}, .5, .5, cv::INTER_AREA);
  smooth.convertTo(light, -1, .8, 20);
  cv::cvtColor(smooth, rgb, cv::COLOR_GRAY2RGB);
  cv::Mat other;
  cv::flip(smooth, other, 0);
  for (const ImageHashKind& kind : ImageHashKinds()) {
    const uint64_t hash = kind.hash(smooth);
    EXPECT_LE(HammingDistance(hash, kind.hash(half)), 4) << kind.name;
    // Where neighbours are nearly as light, rounding may decide what dHash says of them.
    EXPECT_LE(HammingDistance(hash, kind.hash(light)), kind.name == "dhash" ? 8 : 2) << kind.name;
    EXPECT_LE(HammingDistance(hash, kind.hash(rgb)), 1) << kind.name;
    EXPECT_GE(HammingDistance(hash, kind.hash(other)), 16) << kind.name;
  }
}

TEST(IsFlat, TellsBlankPicturesFromOthers) {
  EXPECT_TRUE(IsFlat(cv::Mat(40, 60, CV_8UC3, cv::Scalar(9, 9, 9))));
  EXPECT_FALSE(IsFlat(Pattern(64)));
}

}  // namespace
}  // namespace fluke
