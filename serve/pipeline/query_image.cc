#include "serve/pipeline/query_image.h"

#include <cmath>
#include <memory>
#include <span>
#include <utility>

#include "common/error.h"
#include "common/image.h"

namespace fluke::serve {
namespace {

// In error messages; a request's image has no name of its own.
constexpr std::string_view kQueryName = "query image";

// Lets a request's bytes go the way of a manifest's photograph.
class RequestBytes final : public ImageSource {
 public:
  explicit RequestBytes(std::span<const std::byte> bytes) : bytes_(bytes) {}
  DecodedImage Load(const ManifestItem& item, const DecodeOptions& options) const override {
    return DecodeImage(bytes_, options, item.path);
  }

 private:
  std::span<const std::byte> bytes_;
};

void CheckCrop(const Box& crop, const ImageSize& size) {
  const auto refuse = [&](std::string_view why) {
    InvalidArgument("crop x ", crop.x, ", y ", crop.y, ", w ", crop.w, ", h ", crop.h, " ", why,
                    " (the upright image has ", size.width, " x ", size.height, " pixels)");
  };
  if (!std::isfinite(crop.x) || !std::isfinite(crop.y) || !std::isfinite(crop.w) ||
      !std::isfinite(crop.h)) {
    refuse("is not finite");
  }
  if (crop.w <= 0 || crop.h <= 0) refuse("is empty");
  if (crop.x >= static_cast<float>(size.width) || crop.y >= static_cast<float>(size.height) ||
      crop.x + crop.w <= 0 || crop.y + crop.h <= 0) {
    refuse("lies outside");
  }
}

}  // namespace

void CheckQueryImage(std::string_view bytes, const std::optional<Box>& crop, int64_t max_pixels) {
  const auto raw = std::as_bytes(std::span(bytes.data(), bytes.size()));
  const ImageSize size = PeekImageSize(raw, kQueryName);
  const int64_t pixels = int64_t{size.width} * size.height;
  if (pixels > max_pixels) {
    Throw(absl::StatusCode::kResourceExhausted, kQueryName, " has ", size.width, " x ", size.height,
          " = ", pixels, " pixels, at most ", max_pixels, " are taken");
  }
  if (crop.has_value()) CheckCrop(*crop, size);
}

cv::Mat DecodeQueryImage(std::string_view bytes, const std::optional<Box>& crop, int min_side_px,
                         int64_t max_pixels) {
  CheckQueryImage(bytes, crop, max_pixels);
  ManifestItem item;
  item.path = kQueryName;
  item.box = crop;
  Manifest manifest;
  manifest.name = kQueryName;
  manifest.images = std::make_shared<RequestBytes>(std::as_bytes(std::span(bytes)));
  DecodeOptions options;
  options.min_side_px = min_side_px;
  options.max_pixels = max_pixels;
  return LoadCropped(manifest, item, options);
}

}  // namespace fluke::serve
