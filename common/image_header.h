// What the first bytes of an encoded photograph say: format, size, orientation, and whether the
// file is all there. Reads JPEG, PNG, BMP, TIFF, WebP and PNM without trusting any length in them
// and without decoding a pixel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace fluke {

enum class ImageFormat { kJpeg, kPng, kBmp, kTiff, kWebp, kPnm };

std::string_view ImageFormatName(ImageFormat format);

struct ImageHeader {
  ImageFormat format = ImageFormat::kJpeg;
  int64_t width = 0;  // as stored, before the orientation is applied
  int64_t height = 0;
  int orientation =
      1;  // EXIF / TIFF tag 274, 1..8: 1 upright, 3 upside down, 6 turn right, 8 turn left ...
  // Orientations 5..8 swap the sides.
  int64_t upright_width() const { return orientation >= 5 ? height : width; }
  int64_t upright_height() const { return orientation >= 5 ? width : height; }
};

// Throws InvalidArgument "<name>: not an image ..." or "<name>: truncated ...".
ImageHeader ParseImageHeader(std::span<const std::byte> bytes, std::string_view name);

// Throws InvalidArgument "<name>: truncated ..." where the file ends before its picture does.
// libjpeg fills the missing part of such a file with grey instead of failing. TIFF and compressed
// BMP are left to their decoders, which do fail.
void CheckImageIsComplete(std::span<const std::byte> bytes, const ImageHeader& header,
                          std::string_view name);

}  // namespace fluke
