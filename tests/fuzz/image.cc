// Photographs: what decodes has the size that its header says, and no bytes reach a decoder that
// fails otherwise than by an error.
#include "common/image.h"

#include <opencv2/imgcodecs.hpp>

#include "common/image_header.h"
#include "tests/fuzz/fuzz.h"

namespace fluke::fuzz {

std::vector<std::string> Seeds() {
  cv::Mat picture(9, 12, CV_8UC3);
  cv::randu(picture, 0, 255);
  std::vector<std::string> seeds;
  for (const char* extension : {".jpg", ".png", ".bmp", ".tiff", ".webp", ".ppm"}) {
    std::vector<uchar> bytes;
    cv::imencode(extension, picture, bytes);
    seeds.emplace_back(bytes.begin(), bytes.end());
  }
  return seeds;
}

}  // namespace fluke::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fluke;  // NOLINT: a harness
  constexpr int64_t kMostPixels = 1 << 16;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  ImageSize peeked;
  const bool is_image = fuzz::Takes([&] { peeked = PeekImageSize(bytes, "input"); });
  fuzz::Takes([&] { CheckImageIsComplete(bytes, ParseImageHeader(bytes, "input"), "input"); });
  for (const PixelLayout layout : {PixelLayout::kRgb, PixelLayout::kUnchanged}) {
    fuzz::Takes([&] {
      const DecodedImage image =
          DecodeImage(bytes, {.max_pixels = kMostPixels, .layout = layout}, "input");
      fuzz::Require(
          is_image && image.full_width == peeked.width && image.full_height == peeked.height,
          "the size that the header says");
      fuzz::Require(image.pixels.cols == image.full_width && image.pixels.rows == image.full_height,
                    "pixels of that size");
    });
  }
  return 0;
}
