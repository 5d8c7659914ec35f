// Photographs cut down to their boxes, as files of their own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/manifest.h"

namespace fluke {

struct CropOptions {
  double margin = 0;    // on every side, as a share of the box's longer side
  int max_side_px = 0;  // larger crops are scaled down to it; 0: none is
  bool png = false;     // lossless; JPEG otherwise
  int jpeg_quality = 95;
  bool skip_bad = false;
};

// Writes `folder`/manifest.csv and `folder`/images/..., in one step (AtomicFolder), one file an
// item: its box with the margin, clipped to the photograph, or the whole photograph where it has no
// box. All columns are kept but the box, which is done with; metadata `source` and `source_box` ("x
// y w h", as cut) say where a crop is from. A mask is cropped likewise, to images/..._mask.png.
// Returns the photographs that were left out; throws the first one's error unless skip_bad.
std::vector<BadRow> CropPhotographs(const Manifest& manifest, const std::filesystem::path& folder,
                                    const CropOptions& options, int threads);

}  // namespace fluke
