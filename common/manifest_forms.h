// The forms a manifest comes in, one reader each; ReadManifest (manifest.h) chooses among them.
// Only common/manifest*.cc includes this.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/manifest.h"

namespace fluke {

// Called for every row that cannot be used; throws or takes note.
using OnBadRow = std::function<void(const BadRow& bad)>;

// manifest_csv.cc: the rows of a CSV text; `name` stands in errors.
std::vector<ManifestItem> ParseManifestCsv(std::string_view text, std::string_view name,
                                           const OnBadRow& on_bad_row);

// manifest_tree.cc: items with identity and split from the folders they lie in. paths: relative,
// with '/', sorted.
std::vector<ManifestItem> ItemsFromPaths(const std::vector<std::string>& paths);
// By extension, with no hidden folder on the way ("a/b.jpg"; not ".cache/b.jpg", "__MACOSX/b.jpg"
// or "notes.txt").
bool IsPhotographPath(std::string_view path);
Manifest ReadFolderManifest(const std::filesystem::path& folder);

// manifest.cc: photographs that are files below `root`.
std::shared_ptr<const ImageSource> MakeFileSource(const std::filesystem::path& root);

// manifest_idx.cc
bool IsIdxImagesName(std::string_view file_name);
Manifest ReadIdxManifest(const std::vector<std::filesystem::path>& image_files);

// manifest_zip.cc
Manifest ReadZipManifest(const std::filesystem::path& path, const OnBadRow& on_bad_row);

}  // namespace fluke
