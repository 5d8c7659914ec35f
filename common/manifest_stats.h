// What a manifest holds, in numbers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/manifest.h"

namespace fluke {

// Of some lengths in pixels or of shares. All 0 when there were none.
struct Spread {
  double min = 0, median = 0, max = 0;
};

struct SplitCount {
  int64_t photos = 0;
  int64_t identities = 0;
};

struct ManifestStats {
  int64_t items = 0;
  int64_t identities = 0;
  int64_t unknown = 0;  // items without an identity
  Spread photos_per_identity;
  std::map<int64_t, int64_t>
      histogram;  // photos of an identity -> how many identities have as many
  std::map<std::string, SplitCount> splits;  // "" = items without a split
  int64_t split_identities = 0;              // identities that stand in more than one split
  int64_t boxes = 0;
  Spread box_width, box_height, box_share;  // pixels, pixels, of the photograph's area
  Spread width, height;                     // upright photographs
  std::vector<BadRow> unreadable;           // left out of width, height and box_share
  std::vector<double> widths, heights;      // pixels, of every readable photograph
  std::vector<double> box_shares;           // of every box in one
};

// Opens every photograph, at the smallest size its format decodes to, on `threads` threads.
ManifestStats CountManifest(const Manifest& manifest, int threads);

}  // namespace fluke
