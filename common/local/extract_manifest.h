// The key points of a manifest's photographs: decoding and extraction on several threads, a
// photograph each.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "common/local/key_points.h"
#include "common/manifest.h"

namespace fluke {

struct ExtractManifestOptions {
  KeyPointOptions key_points = {};
  int threads = 0;  // 0: one a core
  bool skip_bad =
      false;  // unreadable photographs are left out and reported instead of ending the run
};

// In the manifest's order.
using ExtractedPhoto = std::function<void(const ManifestItem& item, LocalFeatures features)>;

struct Extraction {
  std::vector<BadRow> bad = {};  // left out (empty unless skip_bad)
  int64_t photos = 0, key_points = 0;
  double extract_s = 0;  // of one thread, decoding included, summed over the photographs
};

// Photographs are cropped to their boxes. Memory holds the key points of some photographs a thread.
// Throws the first bad photograph's error.
Extraction ExtractManifest(const Manifest& manifest, const ExtractManifestOptions& options,
                           const ExtractedPhoto& use);

// One photograph of it.
LocalFeatures ExtractPhoto(const Manifest& manifest, const ManifestItem& item,
                           const KeyPointOptions& options);

// A photograph as it came (JPEG, PNG ...), or the part of it in the crop box.
LocalFeatures ExtractEncoded(std::string_view image, const std::optional<Box>& crop,
                             const KeyPointOptions& options);

}  // namespace fluke
