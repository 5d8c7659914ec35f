// Retrieval.Match: which regions of two photographs match.
#pragma once

#include <cstdint>

#include "fluke/v1/retrieval.pb.h"
#include "serve/collections/served_version.h"

namespace fluke::serve {

inline constexpr int kMaxMatchedItems = 128;

// Throws with the codes that retrieval.proto promises. max_image_pixels: as DecodeQueryImage.
v1::MatchResponse MatchItems(const v1::MatchRequest& request, const ServedVersion& version,
                             int64_t max_image_pixels);

}  // namespace fluke::serve
