// The data contract: what photographs there are, who is on them, and how to read their bytes.
//
// Read from
//   a CSV with a header, paths relative to the CSV. Columns: path, identity (or `label`), split, x,
//   y, w, h (or `bbox` as
//     "[x, y, w, h]"), is_query, is_gallery, camera, timestamp, mask; every other one is metadata,
//     `id` among them;
//   a folder of folders (identity/photo.jpg, any depth). Hidden files are ignored, links to folders
//   not followed. The identity is
//     the path of the folder relative to the deepest common folder ("" where all photographs lie in
//     one folder); where the first step of every such path is train, val or test, it is the split
//     instead. A folder with a manifest.csv is read as that;
//   an MNIST-style *-images-idx3-ubyte[.gz] file (labels found beside it) or a folder of them:
//   paths "train/00017"; a zip of a CSV or of folders.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/box.h"
#include "common/image.h"
#include "common/item.h"

namespace fluke {

struct ManifestItem {
  std::string path = {};  // as written; unique within a manifest unless boxes make several items of
                          // one photograph
  std::string identity = {};  // "" = unknown
  std::string split = {};     // "" = none; train, val, test or a fold number
  std::optional<Box> box = {};
  std::optional<bool> is_query = {};
  std::optional<bool> is_gallery = {};
  std::string camera = {};
  std::string timestamp = {};
  std::string mask = {};
  std::map<std::string, std::string> metadata = {};  // every other column that is not empty here
  int64_t line = 0;  // line of the CSV, or ordinal (1-based) elsewhere
};

// Reads an item's encoded or raw pixels. Thread-safe.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  // The photograph upright and RGB (or as options say), before any crop. Errors name the item's
  // path.
  virtual DecodedImage Load(const ManifestItem& item, const DecodeOptions& options) const = 0;
};

struct Manifest {
  std::string name = {};  // the path it was read from
  std::vector<ManifestItem> items = {};
  std::shared_ptr<const ImageSource> images = {};
};

// Reads any of the forms above. A malformed row (missing path, NaN or empty box, unknown boolean
// ...) throws InvalidArgument "photos.csv:12: ..."; photographs themselves are not opened here.
Manifest ReadManifest(const std::filesystem::path& path);

// A row that cannot be used, as `fluke data check` and --skip-bad report it.
struct BadRow {
  std::string path = {};
  int64_t line = 0;
  std::string reason = {};
};

// As above, but malformed rows are left out and reported.
Manifest ReadManifestSkippingBad(const std::filesystem::path& path, std::vector<BadRow>* bad);

// Opens every photograph (on `threads` threads) and returns the bad ones: missing, undecodable, box
// outside.
std::vector<BadRow> CheckImages(const Manifest& manifest, int threads);

// Items of `manifest` for which `keep` is true; the image source is shared.
Manifest Select(const Manifest& manifest, const std::vector<bool>& keep);

// Loads the item's photograph and crops it to its box (clipped to the photograph), in full-size
// pixels whatever the reduction; options.min_side_px is about the crop, options.region is ignored.
// RGB, 8 bit unless options say otherwise.
cv::Mat LoadCropped(const Manifest& manifest, const ManifestItem& item,
                    const DecodeOptions& options);

// The same, with which part of the photograph it is.
struct CroppedImage {
  cv::Mat pixels;
  Box part{.x = 0, .y = 0, .w = 1, .h = 1};  // shares of the upright photograph's sides
};
CroppedImage LoadCroppedPart(const Manifest& manifest, const ManifestItem& item,
                             const DecodeOptions& options);

// Writes a manifest CSV with the known columns that are in use, then metadata columns.
void WriteManifestCsv(const std::filesystem::path& path, const std::vector<ManifestItem>& items);

// What embeddings and indexes know of a photograph: its id is its path unless the manifest has an
// `id` column; split, camera, timestamp, is_query and is_gallery are metadata.
Item ItemOf(const ManifestItem& photo);

}  // namespace fluke
