// What a photograph gives away about where it is from, apart from who is on it: a row of numbers.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/manifest.h"

namespace fluke {

struct FeatureTable {
  std::vector<std::string> names;
  // One an item, as long as names; NaN: not known. Empty: the photograph cannot be read.
  std::vector<std::vector<double>> rows;
  std::vector<BadRow> unreadable = {};
};

// File size and bits a pixel (where photographs are files below `photo_folder`; "": they are not),
// width, height, aspect, box share, brightness and its spread, the means of red, green and blue
// against it, saturation, sharpness (log of the Laplacian's variance at 256 pixels), time (years),
// hour, whether there is a time, and whether the camera is each of the most frequent ones. Columns
// that nothing is known of are left out. On `threads` threads.
FeatureTable PhotoFeatures(const Manifest& manifest, const std::filesystem::path& photo_folder,
                           int threads);

}  // namespace fluke
