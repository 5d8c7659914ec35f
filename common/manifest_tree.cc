// Folders of photographs: which files count, and what their folders say about them.
#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "common/error.h"
#include "common/manifest_forms.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 13> kExtensions = {".jpg", ".jpeg", ".jpe", ".jfif", ".png",
                                                          ".bmp", ".dib",  ".tif", ".tiff", ".webp",
                                                          ".pbm", ".pgm",  ".ppm"};

using Steps = std::vector<std::string_view>;

// The folders on the way to a file: "a/b/c.jpg" -> {"a", "b"}.
Steps FoldersOf(std::string_view path) {
  Steps steps;
  for (size_t slash; (slash = path.find('/')) != std::string_view::npos;) {
    if (slash > 0) steps.push_back(path.substr(0, slash));
    path.remove_prefix(slash + 1);
  }
  return steps;
}

size_t CommonDepth(const std::vector<Steps>& folders) {
  if (folders.empty()) return 0;
  size_t depth = folders.front().size();
  for (const Steps& steps : folders) {
    const auto differing = std::mismatch(steps.begin(), steps.end(), folders.front().begin(),
                                         folders.front().begin() + static_cast<ptrdiff_t>(depth));
    depth = static_cast<size_t>(differing.first - steps.begin());
  }
  return depth;
}

// train, val or test, or "" for any other folder name.
std::string_view SplitOfFolder(std::string_view name) {
  if (name == "train" || name == "val" || name == "test") return name;
  return name == "valid" || name == "validation" ? "val" : "";
}

}  // namespace

bool IsPhotographPath(std::string_view path) {
  for (std::string_view step : FoldersOf(path)) {
    if (step.starts_with('.') || step == "__MACOSX") return false;
  }
  const std::string_view file = path.substr(path.rfind('/') + 1);
  const size_t dot = file.rfind('.');
  if (dot == 0 || dot == std::string_view::npos || file.starts_with('.')) return false;
  const std::string extension = absl::AsciiStrToLower(std::string(file.substr(dot)));
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

std::vector<ManifestItem> ItemsFromPaths(const std::vector<std::string>& paths) {
  std::vector<Steps> folders;
  for (const std::string& path : paths) folders.push_back(FoldersOf(path));
  const size_t common = CommonDepth(folders);
  const bool split_first = std::all_of(folders.begin(), folders.end(), [&](const Steps& steps) {
    return steps.size() > common + 1 && !SplitOfFolder(steps[common]).empty();
  });
  std::vector<ManifestItem> items;
  items.reserve(paths.size());
  for (size_t i = 0; i < paths.size(); ++i) {
    ManifestItem item;
    item.path = paths[i];
    item.line = static_cast<int64_t>(i) + 1;
    if (split_first) item.split = SplitOfFolder(folders[i][common]);
    const Steps own(folders[i].begin() + static_cast<ptrdiff_t>(common + (split_first ? 1 : 0)),
                    folders[i].end());
    item.identity = StrJoin(own, "/");
    items.push_back(std::move(item));
  }
  return items;
}

Manifest ReadFolderManifest(const fs::path& folder) {
  std::vector<std::string> paths;
  for (fs::recursive_directory_iterator entry(folder), end; entry != end; ++entry) {
    if (entry->is_directory()) {
      if (entry->path().filename().string().starts_with('.')) entry.disable_recursion_pending();
      continue;
    }
    const std::string path = entry->path().lexically_relative(folder).generic_string();
    if (entry->is_regular_file() && IsPhotographPath(path)) paths.push_back(path);
  }
  if (paths.empty()) {
    InvalidArgument(folder,
                    ": no photographs in this folder or below it; expected files ending in ",
                    StrJoin(kExtensions, " "));
  }
  std::sort(paths.begin(), paths.end());
  return {
      .name = folder.string(), .items = ItemsFromPaths(paths), .images = MakeFileSource(folder)};
}

}  // namespace fluke
