#include "common/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/escaping.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using testing::HasSubstr;

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

DecodedImage Decode(const std::string& encoded, const DecodeOptions& options = {}) {
  return DecodeImage(Bytes(encoded), options, "photo");
}

std::string DecodeMessage(const std::string& encoded, const DecodeOptions& options = {}) {
  const Error error = ErrorOf([&] { Decode(encoded, options); });
  EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument) << error.what();
  return error.what();
}

std::string Encode(const std::string& extension, const cv::Mat& pixels) {
  std::vector<uchar> bytes;
  EXPECT_TRUE(cv::imencode(extension, pixels, bytes));
  return std::string(bytes.begin(), bytes.end());
}

std::string FromBase64(const char* text) {
  std::string bytes;
  EXPECT_TRUE(absl::Base64Unescape(text, &bytes));
  return bytes;
}

// BGR, 48 wide, 32 high: red | green over blue | white.
cv::Mat FourColours(int width = 48, int height = 32) {
  cv::Mat pixels(height, width, CV_8UC3);
  const int x = width / 2, y = height / 2;
  pixels(cv::Rect(0, 0, x, y)) = cv::Scalar(0, 0, 255);
  pixels(cv::Rect(x, 0, width - x, y)) = cv::Scalar(0, 255, 0);
  pixels(cv::Rect(0, y, x, height - y)) = cv::Scalar(255, 0, 0);
  pixels(cv::Rect(x, y, width - x, height - y)) = cv::Scalar(255, 255, 255);
  return pixels;
}

// The colour letters of the four corners of an RGB picture, row by row: "RGBW" when it stands as
// drawn.
std::string Corners(const cv::Mat& rgb) {
  std::string letters;
  for (int y : {rgb.rows / 4, rgb.rows * 3 / 4}) {
    for (int x : {rgb.cols / 4, rgb.cols * 3 / 4}) {
      const cv::Vec3b c = rgb.at<cv::Vec3b>(y, x);
      const bool r = c[0] > 128, g = c[1] > 128, b = c[2] > 128;
      letters += r && g && b ? 'W' : r ? 'R' : g ? 'G' : b ? 'B' : '?';
    }
  }
  return letters;
}

std::string U16(int value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 255)};
}
std::string U32(int value) { return U16(value >> 16) + U16(value & 0xffff); }

// A TIFF structure (big-endian) whose only entry is the orientation.
std::string OrientationDirectory(int orientation) {
  return std::string("MM\0*", 4) + U32(8) + U16(1) + U16(274) + U16(3) + U32(1) + U16(orientation) +
         U16(0) + U32(0);
}

std::string JpegWithExif(const cv::Mat& pixels, int orientation) {
  const std::string exif = std::string("Exif\0\0", 6) + OrientationDirectory(orientation);
  std::string jpeg = Encode(".jpg", pixels);
  return jpeg.insert(2, "\xff\xe1" + U16(static_cast<int>(exif.size()) + 2) + exif);
}

// EXIF 2.32: where row 0 and column 0 of the stored picture are seen. Stored RG/BW seen upright:
struct Orientation {
  int value;
  const char* corners;
  bool swaps_sides;
};
constexpr Orientation kOrientations[] = {
    {1, "RGBW", false},  // top, left
    {2, "GRWB", false},  // top, right: mirrored
    {3, "WBGR", false},  // bottom, right: half a turn
    {4, "BWRG", false},  // bottom, left: upside down mirrored
    {5, "RBGW", true},   // left, top: transposed
    {6, "BRWG", true},   // right, top: a quarter turn clockwise
    {7, "WGBR", true},   // right, bottom
    {8, "GWRB", true},   // left, bottom: a quarter turn counter-clockwise
};

TEST(DecodeImage, AppliesEveryExifOrientation) {
  for (const Orientation& orientation : kOrientations) {
    SCOPED_TRACE(orientation.value);
    const std::string jpeg = JpegWithExif(FourColours(), orientation.value);
    const DecodedImage image = Decode(jpeg);
    EXPECT_EQ(Corners(image.pixels), orientation.corners);
    EXPECT_EQ(image.full_width, orientation.swaps_sides ? 32 : 48);
    EXPECT_EQ(image.full_height, orientation.swaps_sides ? 48 : 32);
    EXPECT_EQ(image.pixels.size(), cv::Size(image.full_width, image.full_height));
    const ImageSize size = PeekImageSize(Bytes(jpeg), "photo");
    EXPECT_EQ(size.width, image.full_width);
    EXPECT_EQ(size.height, image.full_height);
  }
}

TEST(DecodeImage, AppliesTheOrientationOfATiffOnce) {
  for (const Orientation& orientation : kOrientations) {
    SCOPED_TRACE(orientation.value);
    cv::Mat rgb;
    cv::cvtColor(FourColours(), rgb, cv::COLOR_BGR2RGB);
    const int pixel_bytes = 48 * 32 * 3;
    std::string tiff =
        std::string("MM\0*", 4) + U32(8 + pixel_bytes) + std::string(rgb.datastart, rgb.dataend);
    const auto entry = [](int tag, int type, int count, const std::string& value) {
      return U16(tag) + U16(type) + U32(count) + value;
    };
    const auto word = [](int value) { return U16(value) + U16(0); };
    const int bits_at = 8 + pixel_bytes + 2 + 10 * 12 + 4;
    tiff += U16(10) + entry(256, 3, 1, word(48)) + entry(257, 3, 1, word(32)) +
            entry(258, 3, 3, U32(bits_at)) + entry(259, 3, 1, word(1)) + entry(262, 3, 1, word(2)) +
            entry(273, 4, 1, U32(8)) + entry(274, 3, 1, word(orientation.value)) +
            entry(277, 3, 1, word(3)) + entry(278, 3, 1, word(32)) +
            entry(279, 4, 1, U32(pixel_bytes)) + U32(0) + U16(8) + U16(8) + U16(8);
    const DecodedImage image = Decode(tiff);
    EXPECT_EQ(Corners(image.pixels), orientation.corners);
    EXPECT_EQ(image.pixels.size(), cv::Size(image.full_width, image.full_height));
    EXPECT_EQ(image.full_width, orientation.swaps_sides ? 32 : 48);
  }
}

TEST(DecodeImage, ReadsTheOrientationOfWebpAndPng) {
  // Pillow 11: a 5x3 lossless WebP of (10, 200, 30) with EXIF orientation 6.
  const std::string webp = FromBase64(
      "UklGRlIAAABXRUJQVlA4WAoAAAAIAAAABAAAAgAAVlA4TBEAAAAvBIAAAAdQ5CrUo/+BiOh/AABFWElGGgAAAE1N"
      "ACoAAAAIAAEBEgADAAAAAQAGAAAAAAAA");
  const DecodedImage image = Decode(webp);
  EXPECT_EQ(image.pixels.size(), cv::Size(3, 5));
  EXPECT_EQ(image.pixels.at<cv::Vec3b>(4, 2), cv::Vec3b(10, 200, 30));

  std::string png = Encode(".png", FourColours());
  const std::string chunk = "eXIf" + OrientationDirectory(6);
  // Its checksum is wrong: libpng skips a damaged chunk that is not critical, and so may we.
  png.insert(8 + 25, U32(static_cast<int>(chunk.size()) - 4) + chunk + U32(0));
  EXPECT_EQ(PeekImageSize(Bytes(png), "photo").width, 32);
}

TEST(DecodeImage, GivesRgb) {
  for (const char* extension : {".jpg", ".png", ".bmp", ".tiff", ".webp", ".ppm"}) {
    SCOPED_TRACE(extension);
    const std::string encoded = Encode(extension, FourColours());
    const DecodedImage image = Decode(encoded);
    EXPECT_EQ(image.pixels.type(), CV_8UC3);
    EXPECT_EQ(Corners(image.pixels), "RGBW");
    const ImageSize size = PeekImageSize(Bytes(encoded), "photo");
    EXPECT_EQ(size.width, 48);
    EXPECT_EQ(size.height, 32);
  }
}

TEST(DecodeImage, ReducesAJpegWhileItsShorterSideKeepsTheAskedPixels) {
  const std::string jpeg = JpegWithExif(FourColours(403, 301), 6);
  const auto size_for = [&](int min_side_px) {
    return Decode(jpeg, {.min_side_px = min_side_px}).pixels.size();
  };
  EXPECT_EQ(size_for(0), cv::Size(301, 403));
  EXPECT_EQ(size_for(151), cv::Size(301, 403));
  EXPECT_EQ(size_for(150), cv::Size(151, 202));  // libjpeg rounds up
  EXPECT_EQ(size_for(76), cv::Size(151, 202));
  EXPECT_EQ(size_for(75), cv::Size(76, 101));
  EXPECT_EQ(size_for(1), cv::Size(38, 51));
  const DecodedImage image = Decode(jpeg, {.min_side_px = 75});
  EXPECT_EQ(Corners(image.pixels), "BRWG");
  EXPECT_EQ(image.full_width, 301);
  EXPECT_EQ(image.full_height, 403);
}

TEST(DecodeImage, ReducesByTheRegionThatWillBeUsed) {
  const std::string jpeg = Encode(".jpg", FourColours(400, 320));
  const auto width_for = [&](cv::Rect2f region) {
    return Decode(jpeg, {.min_side_px = 40, .region = region}).pixels.cols;
  };
  EXPECT_EQ(width_for({}), 50);
  EXPECT_EQ(width_for({0, 0, 200, 80}), 200);
  EXPECT_EQ(width_for({0, 0, 200, 79}), 400);
  EXPECT_EQ(width_for({300, 0, 900, 200}), 200);  // 100 of its pixels are inside
}

TEST(DecodeImage, DropsAlphaAndKeepsTheColourUnderIt) {
  cv::Mat bgra(2, 2, CV_8UC4, cv::Scalar(1, 2, 3, 0));
  EXPECT_EQ(Decode(Encode(".png", bgra)).pixels.at<cv::Vec3b>(0, 0), cv::Vec3b(3, 2, 1));
  // Pillow 11: 3x2 palette PNG, 2 bits, indices 0 1 2 / 2 1 0 of red, green (transparent), blue.
  const std::string palette = FromBase64(
      "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACAgMAAADgGo6JAAAADFBMVEX/AAAA/wAAAP8AAAD7vkbkAAAAAnRSTlP/"
      "AOW3MEoAAAAMSURBVHicY5BgmAAAANwAqWznwCMAAAAASUVORK5CYII=");
  const cv::Mat pixels = Decode(palette).pixels;
  EXPECT_EQ(pixels.at<cv::Vec3b>(0, 0), cv::Vec3b(255, 0, 0));
  EXPECT_EQ(pixels.at<cv::Vec3b>(0, 1), cv::Vec3b(0, 255, 0));
  EXPECT_EQ(pixels.at<cv::Vec3b>(1, 0), cv::Vec3b(0, 0, 255));
  // Pillow 11: 2x1 gray + alpha PNG of (200, 0) and (50, 255).
  const std::string gray_alpha = FromBase64(
      "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAQAAABeK7cBAAAADUlEQVR4nGM4wWD0HwAEiAH6QBbyYwAAAABJRU5E"
      "rkJggg==");
  EXPECT_EQ(Decode(gray_alpha).pixels.at<cv::Vec3b>(0, 0), cv::Vec3b(200, 200, 200));
  EXPECT_EQ(Decode(gray_alpha).pixels.at<cv::Vec3b>(0, 1), cv::Vec3b(50, 50, 50));
}

TEST(DecodeImage, TakesTheHighByteOf16Bits) {
  const cv::Mat deep(3, 2, CV_16UC3, cv::Scalar(0x12ff, 0x3480, 0x5601));
  for (const char* extension : {".png", ".tiff", ".ppm"}) {
    EXPECT_EQ(Decode(Encode(extension, deep)).pixels.at<cv::Vec3b>(2, 1),
              cv::Vec3b(0x56, 0x34, 0x12))
        << extension;
  }
  const cv::Mat gray(3, 2, CV_16UC1, cv::Scalar(0x12ff));
  EXPECT_EQ(Decode(Encode(".png", gray)).pixels.at<cv::Vec3b>(2, 1), cv::Vec3b(0x12, 0x12, 0x12));
}

TEST(DecodeImage, LayoutsGrayAndUnchanged) {
  const cv::Mat deep(3, 2, CV_16UC1, cv::Scalar(1234));
  const DecodedImage unchanged = Decode(Encode(".png", deep), {.layout = PixelLayout::kUnchanged});
  EXPECT_EQ(unchanged.pixels.type(), CV_16UC1);
  EXPECT_EQ(unchanged.pixels.at<uint16_t>(1, 1), 1234);
  const cv::Mat bgra(2, 2, CV_8UC4, cv::Scalar(1, 2, 3, 4));
  EXPECT_EQ(
      Decode(Encode(".png", bgra), {.layout = PixelLayout::kUnchanged}).pixels.at<cv::Vec4b>(0, 0),
      cv::Vec4b(3, 2, 1, 4));
  const DecodedImage gray = Decode(Encode(".jpg", FourColours()), {.layout = PixelLayout::kGray});
  EXPECT_EQ(gray.pixels.type(), CV_8UC1);
  EXPECT_NEAR(gray.pixels.at<uint8_t>(4, 4), 76, 2);  // .299 * 255: red's luma
  const std::string turned = JpegWithExif(FourColours(), 6);
  EXPECT_EQ(Decode(turned, {.min_side_px = 1, .layout = PixelLayout::kUnchanged}).pixels.size(),
            cv::Size(32, 48));
}

TEST(DecodeImage, ReadsOneBitCmykAndProgressive) {
  // Pillow 11: 9x2 one-bit PNG, white over black.
  const cv::Mat bits = Decode(FromBase64("iVBORw0KGgoAAAANSUhEUgAAAAkAAAACAQAAAACiLct+"
                                         "AAAADklEQVR4nGP838jAwAAABwsBgpRNduoAAAAASUVO"
                                         "RK5CYII="))
                           .pixels;
  EXPECT_EQ(bits.at<cv::Vec3b>(0, 8), cv::Vec3b(255, 255, 255));
  EXPECT_EQ(bits.at<cv::Vec3b>(1, 0), cv::Vec3b(0, 0, 0));
  // Pillow 11: 8x8 CMYK JPEG (Adobe marker) of (0, 255, 255, 0), which is red.
  const cv::Vec3b red =
      Decode(FromBase64("/9j/7gAOQWRvYmUAZAAAAAAA/"
                        "9sAQwACAQEBAQECAQEBAgICAgIEAwICAgIFBAQDBAYFBgYGBQYGBgcJCAYHCQcG"
                        "BggLCAkKCgoKCgYICwwLCgwJCgoK/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/"
                        "EABUAAQEAAAAAAAAAAAAAAAAAAAkK"
                        "/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAA4EQwBNAFkASwAAPwB/E/6f8/j/2Q=="))
          .pixels.at<cv::Vec3b>(4, 4);
  EXPECT_GT(red[0], 250);
  EXPECT_LT(red[1], 5);
  EXPECT_LT(red[2], 5);
}

// Pillow 11: 16x8 progressive JPEG of (250, 10, 10).
std::string ProgressiveJpeg() {
  return FromBase64(
      "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4R"
      "DgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
      "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wgARCAAIABADASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAA"
      "AAb/xAAVAQEBAAAAAAAAAAAAAAAAAAAGCP/aAAwDAQACEAMQAAABgQJqD//EABQQAQAAAAAAAAAAAAAAAAAAABD/"
      "2gAIAQEAAQUCP//EABQRAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQMBAT8Bf//EABQRAQAAAAAAAAAAAAAAAAAAAAD/"
      "2gAIAQIBAT8Bf//EABQQAQAAAAAAAAAAAAAAAAAAABD/2gAIAQEABj8CP//EABQQAQAAAAAAAAAAAAAAAAAAABD/"
      "2gAIAQEAAT8hP//aAAwDAQACAAMAAAAQ+//EABQRAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQMBAT8Qf//EABQRAQAA"
      "AAAAAAAAAAAAAAAAAAD/2gAIAQIBAT8Qf//EABQQAQAAAAAAAAAAAAAAAAAAABD/2gAIAQEAAT8QP//Z");
}

TEST(DecodeImage, ATruncatedPhotographIsAnErrorInEveryFormat) {
  cv::Mat noise(90, 120, CV_8UC3);
  cv::RNG(1).fill(noise, cv::RNG::UNIFORM, 0, 256);
  std::vector<std::pair<std::string, std::string>> photographs = {
      {"progressive", ProgressiveJpeg()}};
  for (const char* extension : {".jpg", ".png", ".bmp", ".tiff", ".webp", ".ppm"}) {
    photographs.emplace_back(extension, Encode(extension, noise));
  }
  for (const auto& [format, whole] : photographs) {
    Decode(whole);
    for (size_t size = 0; size < whole.size() - 1; size += 1 + whole.size() / 97) {
      const std::string message = DecodeMessage(whole.substr(0, size));
      EXPECT_THAT(message, HasSubstr("photo: ")) << format << " " << size;
      if (format != ".tiff" && size > whole.size() / 2) {
        EXPECT_THAT(message, HasSubstr("truncated")) << format << " " << size;
      }
    }
  }
}

TEST(DecodeImage, AJpegPaddedWithZerosIsTruncatedAndOneWithATrailerIsNot) {
  const std::string whole = Encode(".jpg", FourColours());
  EXPECT_THAT(DecodeMessage(whole.substr(0, whole.size() / 2) + std::string(5000, '\0')),
              HasSubstr("truncated JPEG"));
  EXPECT_EQ(Corners(Decode(whole + "motion photo trailer").pixels), "RGBW");
}

TEST(DecodeImage, ADamagedPngIsAnError) {
  std::string png = Encode(".png", FourColours());
  png[png.size() / 2] ^= 0x55;
  EXPECT_THAT(DecodeMessage(png), HasSubstr("photo: cannot decode this PNG"));
}

TEST(DecodeImage, WhatIsNoImageIsNamed) {
  EXPECT_THAT(DecodeMessage(""), HasSubstr("photo: not an image: the file is empty"));
  EXPECT_THAT(DecodeMessage("path,identity\n"),
              HasSubstr("not an image of a known format (JPEG, PNG"));
  EXPECT_THAT(DecodeMessage("GIF89a............"), HasSubstr("not an image"));
  EXPECT_THAT(DecodeMessage("P5 3"), HasSubstr("a number is missing"));
}

TEST(DecodeImage, RefusesTooManyPixelsBeforeDecoding) {
  const std::string jpeg = Encode(".jpg", FourColours());
  EXPECT_THAT(DecodeMessage(jpeg, {.max_pixels = 1535}),
              HasSubstr("48x32 = 1536 pixels; at most 1535"));
  Decode(jpeg, {.max_pixels = 1536});
  // A header alone that claims 60000 x 60000 pixels.
  const std::string bomb = "\x89PNG\r\n\x1a\n" + U32(13) + "IHDR" + U32(60000) + U32(60000) +
                           std::string("\x08\x02\0\0\0", 5) + U32(0);
  EXPECT_THAT(DecodeMessage(bomb), HasSubstr("60000x60000"));
  EXPECT_EQ(PeekImageSize(Bytes(bomb), "bomb").width, 60000);
}

// Every byte of the headers changed in turn: an Error or a picture, never another exception or a
// crash.
TEST(DecodeImage, SurvivesDamagedHeaders) {
  for (const char* extension : {".jpg", ".png", ".bmp", ".tiff", ".webp", ".ppm"}) {
    const std::string whole = Encode(extension, FourColours());
    for (size_t at = 0; at < std::min<size_t>(whole.size(), 200); ++at) {
      for (int value : {0x00, 0x7f, 0xff}) {
        std::string damaged = whole;
        damaged[at] = static_cast<char>(value);
        try {
          Decode(damaged, {.max_pixels = 1'000'000});
        } catch (const Error&) {
        }
      }
    }
  }
}

}  // namespace
}  // namespace fluke
