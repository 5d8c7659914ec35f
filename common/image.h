// Decoding photographs: EXIF orientation applied, reduced-size JPEG decoding, 1/3/4 channels, 8 or
// 16 bit in, RGB out. JPEG, PNG, BMP, TIFF, WebP and PNM; nothing else reaches a decoder. All
// functions are thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <opencv2/core/mat.hpp>
#include <opencv2/core/types.hpp>

namespace fluke {

enum class PixelLayout { kRgb, kGray, kUnchanged };

struct DecodeOptions {
  // A JPEG may be decoded at 1/2, 1/4 or 1/8 as long as its shorter side keeps at least this many
  // pixels; 0: full size.
  int min_side_px = 0;
  // Where only this part will be used (a crop box in upright full-size pixels, clipped to the
  // photograph), min_side_px is about its shorter side. Empty: the whole. The whole photograph is
  // decoded all the same.
  cv::Rect2f region = {};
  // Refused before any pixel is decoded (width * height of the header). 0: no bound.
  int64_t max_pixels = 256'000'000;
  // Unless kUnchanged, 16-bit input becomes 8-bit by >> 8 and an alpha channel is dropped: colours
  // stay as stored under it, as PIL's convert("RGB") and cv2.imread give them. kUnchanged decodes
  // at full size.
  PixelLayout layout = PixelLayout::kRgb;
};

struct DecodedImage {
  cv::Mat pixels = {};  // CV_8UC3 RGB or CV_8UC1 (kUnchanged: as in the file, colour channels in
                        // RGB(A) order)
  int full_width =
      0;  // upright size before reduced decoding: boxes of a manifest are in these pixels
  int full_height = 0;
};

struct ImageSize {
  int width = 0;
  int height = 0;
};

// The upright (EXIF-rotated) size from the header alone; works for JPEG, PNG, BMP, TIFF, WebP and
// PNM. Throws InvalidArgument("<name>: not an image ...").
ImageSize PeekImageSize(std::span<const std::byte> bytes, std::string_view name);

// Throws InvalidArgument naming `name` when the bytes are no image, are damaged or truncated
// (libjpeg alone would fill what is missing with grey), or exceed max_pixels.
DecodedImage DecodeImage(std::span<const std::byte> bytes, const DecodeOptions& options,
                         std::string_view name);

}  // namespace fluke
