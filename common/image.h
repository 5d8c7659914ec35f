// Decoding photographs: EXIF orientation applied, reduced-size JPEG decoding, 1/3/4 channels, 8 or 16 bit in, RGB out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <opencv2/core/mat.hpp>

namespace fluke {

enum class PixelLayout { kRgb, kGray, kUnchanged };

struct DecodeOptions {
  // A JPEG may be decoded at 1/2, 1/4 or 1/8 as long as its shorter side keeps at least this many pixels; 0: full size.
  int min_side_px = 0;
  // Refused before any pixel is decoded (width * height of the header). 0: no bound.
  int64_t max_pixels = 256'000'000;
  PixelLayout layout = PixelLayout::kRgb;  // 16-bit input becomes 8-bit by >> 8 unless kUnchanged
};

struct DecodedImage {
  cv::Mat pixels;       // CV_8UC3 RGB or CV_8UC1 (kUnchanged: as in the file, colour channels in RGB(A) order)
  int full_width = 0;   // upright size before reduced decoding: boxes of a manifest are in these pixels
  int full_height = 0;
};

struct ImageSize {
  int width = 0;
  int height = 0;
};

// The upright (EXIF-rotated) size from the header alone; works for JPEG, PNG, BMP, TIFF, WebP and PNM.
// Throws InvalidArgument("<name>: not an image ...").
ImageSize PeekImageSize(std::span<const std::byte> bytes, std::string_view name);

// Throws InvalidArgument naming `name` when the bytes are no image, are truncated, or exceed max_pixels.
DecodedImage DecodeImage(std::span<const std::byte> bytes, const DecodeOptions& options, std::string_view name);

}  // namespace fluke
