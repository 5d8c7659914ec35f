// An image query's bytes -> the pixels that the model is to see.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <opencv2/core/mat.hpp>

#include "common/manifest.h"

namespace fluke::serve {

// Decoded, upright, RGB, cropped to `crop` (pixels of the upright photograph, clipped to it):
// exactly what `fluke embed` makes of the same photograph and box, so that both get the same
// neighbours. A large JPEG may be decoded at a reduced size as long as the cropped shorter side
// keeps `min_side_px`.
//
// Throws INVALID_ARGUMENT for bytes that are no image and for a crop that is empty, not finite or
// outside; RESOURCE_EXHAUSTED, before any pixel is decoded, when width x height exceeds
// `max_pixels`.
cv::Mat DecodeQueryImage(std::string_view bytes, const std::optional<Box>& crop, int min_side_px,
                         int64_t max_pixels);

// What it throws before any pixel is decoded.
void CheckQueryImage(std::string_view bytes, const std::optional<Box>& crop, int64_t max_pixels);

}  // namespace fluke::serve
