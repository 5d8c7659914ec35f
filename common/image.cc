#include "common/image.h"

#include <algorithm>
#include <climits>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "common/error.h"
#include "common/image_header.h"

namespace fluke {
namespace {

ImageHeader CheckedHeader(std::span<const std::byte> bytes, const DecodeOptions& options,
                          std::string_view name) {
  if (bytes.size() > INT_MAX) {
    InvalidArgument(name, ": ", bytes.size(), " bytes are too many for one image");
  }
  const ImageHeader header = ParseImageHeader(bytes, name);
  const int64_t pixels = header.width * header.height;
  if (options.max_pixels > 0 && pixels > options.max_pixels) {
    InvalidArgument(name, ": ", header.width, "x", header.height, " = ", pixels,
                    " pixels; at most ", options.max_pixels, " are accepted");
  }
  CheckImageIsComplete(bytes, header, name);
  return header;
}

// Shorter side, in full-size pixels, of what will be used of the photograph.
float UsedSide(const ImageHeader& header, const cv::Rect2f& region) {
  const cv::Rect2f whole(0, 0, static_cast<float>(header.upright_width()),
                         static_cast<float>(header.upright_height()));
  const cv::Rect2f used = region.empty() ? whole : region & whole;
  return std::min(used.width, used.height);
}

// 1, 2, 4 or 8: the strongest reduction that keeps min_side_px.
int Reduction(const ImageHeader& header, const DecodeOptions& options) {
  if (header.format != ImageFormat::kJpeg || options.layout == PixelLayout::kUnchanged ||
      options.min_side_px <= 0) {
    return 1;
  }
  const float side = UsedSide(header, options.region);
  int reduction = 1;
  while (reduction < 8 &&
         side / static_cast<float>(reduction * 2) >= static_cast<float>(options.min_side_px)) {
    reduction *= 2;
  }
  return reduction;
}

int ReadFlags(ImageFormat format, PixelLayout layout, int reduction) {
  if (layout == PixelLayout::kUnchanged) return cv::IMREAD_UNCHANGED;
  const bool gray = layout == PixelLayout::kGray;
  const auto pick = [gray](int gray_flag, int color_flag) { return gray ? gray_flag : color_flag; };
  int flags = pick(cv::IMREAD_GRAYSCALE, cv::IMREAD_COLOR);
  if (reduction == 2) flags = pick(cv::IMREAD_REDUCED_GRAYSCALE_2, cv::IMREAD_REDUCED_COLOR_2);
  if (reduction == 4) flags = pick(cv::IMREAD_REDUCED_GRAYSCALE_4, cv::IMREAD_REDUCED_COLOR_4);
  if (reduction == 8) flags = pick(cv::IMREAD_REDUCED_GRAYSCALE_8, cv::IMREAD_REDUCED_COLOR_8);
  // libtiff would round 16 bits to 8 instead of taking the high byte as the other decoders do.
  if (format == ImageFormat::kTiff) flags |= cv::IMREAD_ANYDEPTH;
  return flags | cv::IMREAD_IGNORE_ORIENTATION;
}

// 16 bits >> 8; empty for floating point.
cv::Mat EightBit(const cv::Mat& pixels) {
  if (pixels.depth() == CV_8U) return pixels;
  if (pixels.depth() != CV_16U) return {};
  cv::Mat high_bytes(pixels.size(), CV_8UC(pixels.channels()));
  for (int y = 0; y < pixels.rows; ++y) {
    const auto* from = pixels.ptr<uint16_t>(y);
    std::transform(from, from + pixels.cols * pixels.channels(), high_bytes.ptr<uint8_t>(y),
                   [](uint16_t value) { return static_cast<uint8_t>(value >> 8); });
  }
  return high_bytes;
}

// EXIF 2.32, tag Orientation: how the stored picture has to be turned to stand upright.
cv::Mat Upright(const cv::Mat& stored, int orientation) {
  cv::Mat turned;
  switch (orientation) {
    case 2:
      cv::flip(stored, turned, 1);
      return turned;
    case 3:
      cv::rotate(stored, turned, cv::ROTATE_180);
      return turned;
    case 4:
      cv::flip(stored, turned, 0);
      return turned;
    case 5:
      cv::transpose(stored, turned);
      return turned;
    case 6:
      cv::rotate(stored, turned, cv::ROTATE_90_CLOCKWISE);
      return turned;
    case 7: {
      cv::Mat transposed;
      cv::transpose(stored, transposed);
      cv::rotate(transposed, turned, cv::ROTATE_180);
      return turned;
    }
    case 8:
      cv::rotate(stored, turned, cv::ROTATE_90_COUNTERCLOCKWISE);
      return turned;
    default:
      return stored;
  }
}

// OpenCV decodes to BGR(A).
void SwapToRgb(cv::Mat& pixels) {
  if (pixels.channels() == 3) cv::cvtColor(pixels, pixels, cv::COLOR_BGR2RGB);
  if (pixels.channels() == 4) cv::cvtColor(pixels, pixels, cv::COLOR_BGRA2RGBA);
}

cv::Mat DecodeUpright(std::span<const std::byte> bytes, const ImageHeader& header,
                      PixelLayout layout, int reduction) {
  // imdecode only reads from the buffer.
  const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8UC1,
                        const_cast<std::byte*>(bytes.data()));
  cv::Mat pixels = cv::imdecode(encoded, ReadFlags(header.format, layout, reduction));
  if (layout != PixelLayout::kUnchanged) pixels = EightBit(pixels);
  if (pixels.empty()) return pixels;
  SwapToRgb(pixels);
  // libtiff turns the picture itself.
  return header.format == ImageFormat::kTiff ? pixels : Upright(pixels, header.orientation);
}

}  // namespace

ImageSize PeekImageSize(std::span<const std::byte> bytes, std::string_view name) {
  const ImageHeader header = ParseImageHeader(bytes, name);
  return {.width = static_cast<int>(header.upright_width()),
          .height = static_cast<int>(header.upright_height())};
}

DecodedImage DecodeImage(std::span<const std::byte> bytes, const DecodeOptions& options,
                         std::string_view name) {
  const ImageHeader header = CheckedHeader(bytes, options, name);
  const std::string_view format = ImageFormatName(header.format);
  DecodedImage image{.full_width = static_cast<int>(header.upright_width()),
                     .full_height = static_cast<int>(header.upright_height())};
  const int reduction = Reduction(header, options);
  try {
    image.pixels = DecodeUpright(bytes, header, options.layout, reduction);
  } catch (const cv::Exception& error) {
    InvalidArgument(name, ": cannot decode this ", format, ": ", error.err);
  }
  if (image.pixels.empty()) {
    InvalidArgument(name, ": cannot decode this ", format,
                    ": damaged, truncated or of a kind OpenCV does not read");
  }
  const int width = (image.full_width + reduction - 1) / reduction;
  const int height = (image.full_height + reduction - 1) / reduction;
  if (image.pixels.cols != width || image.pixels.rows != height) {
    InvalidArgument(name, ": damaged ", format, ": its header promised ", width, "x", height,
                    " pixels, decoding gave ", image.pixels.cols, "x", image.pixels.rows);
  }
  return image;
}

}  // namespace fluke
