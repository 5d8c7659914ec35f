#include "common/manifest.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "common/error.h"
#include "common/files.h"
#include "common/manifest_forms.h"
#include "common/parallel.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxPhotographBytes = uint64_t{1} << 30;
// Enough to see that a photograph decodes to its end, at a fraction of the time.
constexpr int kCheckedSidePx = 32;

class FileSource : public ImageSource {
 public:
  explicit FileSource(fs::path root) : root_(std::move(root)) {}

  DecodedImage Load(const ManifestItem& item, const DecodeOptions& options) const override {
    const fs::path path = root_ / item.path;
    const std::string bytes = ReadFile(path, kMaxPhotographBytes);
    return DecodeImage(std::as_bytes(std::span(bytes)), options, path.string());
  }

 private:
  fs::path root_;
};

std::vector<fs::path> IdxFilesIn(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (IsIdxImagesName(entry.path().filename().string())) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Manifest ReadCsvManifest(const fs::path& path, const OnBadRow& on_bad_row) {
  return {.name = path.string(),
          .items = ParseManifestCsv(ReadFile(path), path.string(), on_bad_row),
          .images = MakeFileSource(path.parent_path())};
}

Manifest ReadFolder(const fs::path& folder, const OnBadRow& on_bad_row) {
  if (fs::exists(folder / "manifest.csv"))
    return ReadCsvManifest(folder / "manifest.csv", on_bad_row);
  const std::vector<fs::path> idx_files = IdxFilesIn(folder);
  return idx_files.empty() ? ReadFolderManifest(folder) : ReadIdxManifest(idx_files);
}

Manifest ReadAnyForm(const fs::path& path, const OnBadRow& on_bad_row) {
  if (!fs::exists(path)) NotFound(path, ": no such manifest");
  if (fs::is_directory(path)) return ReadFolder(path, on_bad_row);
  if (IsIdxImagesName(path.filename().string())) return ReadIdxManifest({path});
  const std::string extension = absl::AsciiStrToLower(path.extension().string());
  if (extension == ".zip") return ReadZipManifest(path, on_bad_row);
  if (extension == ".csv") return ReadCsvManifest(path, on_bad_row);
  InvalidArgument(
      path,
      ": not a manifest; expected a .csv, a folder of photographs, a .zip of either or an "
      "*-images-idx3-ubyte[.gz] file");
}

Manifest ReadWrapped(const fs::path& path, const OnBadRow& on_bad_row) {
  try {
    Manifest manifest = ReadAnyForm(path, on_bad_row);
    manifest.name = path.string();
    return manifest;
  } catch (const fs::filesystem_error& error) {
    NotFound(path, ": cannot read: ", error.code().message());
  }
}

cv::Rect2f PartInside(const Box& box, const DecodedImage& image) {
  const float left = std::max(box.x, 0.0f), top = std::max(box.y, 0.0f);
  const float right = std::min(box.x + box.w, static_cast<float>(image.full_width));
  const float bottom = std::min(box.y + box.h, static_cast<float>(image.full_height));
  return {left, top, right - left, bottom - top};
}

void CheckBox(const ManifestItem& item, const DecodedImage& image) {
  if (!item.box || !PartInside(*item.box, image).empty()) return;
  const Box& box = *item.box;
  InvalidArgument(item.path, ": its box (x ", box.x, ", y ", box.y, ", w ", box.w, ", h ", box.h,
                  ") lies outside the photograph of ", image.full_width, "x", image.full_height);
}

// First and last + 1 pixel of a stretch given in full-size pixels, at least one pixel long.
std::pair<int, int> ScaledRange(float begin, float length, int full_size, int size) {
  const double scale = static_cast<double>(size) / full_size;
  const int first = std::min(static_cast<int>(std::lround(begin * scale)), size - 1);
  const int last = static_cast<int>(std::lround((static_cast<double>(begin) + length) * scale));
  return {first, std::clamp(last, first + 1, size)};
}

}  // namespace

std::shared_ptr<const ImageSource> MakeFileSource(const fs::path& root) {
  return std::make_shared<FileSource>(root);
}

Manifest ReadManifest(const fs::path& path) {
  return ReadWrapped(
      path, [&](const BadRow& bad) { InvalidArgument(path, ":", bad.line, ": ", bad.reason); });
}

Manifest ReadManifestSkippingBad(const fs::path& path, std::vector<BadRow>* bad) {
  return ReadWrapped(path, [bad](const BadRow& row) { bad->push_back(row); });
}

std::vector<BadRow> CheckImages(const Manifest& manifest, int threads) {
  std::vector<std::string> reasons(manifest.items.size());
  const DecodeOptions options = {.min_side_px = kCheckedSidePx};
  ParallelFor(static_cast<int64_t>(manifest.items.size()), std::max(threads, 1),
              [&](int64_t i, int) {
                try {
                  CheckBox(manifest.items[i], manifest.images->Load(manifest.items[i], options));
                } catch (const Error& error) {
                  reasons[i] = error.what();
                }
              });
  std::vector<BadRow> bad;
  for (size_t i = 0; i < reasons.size(); ++i) {
    if (reasons[i].empty()) continue;
    bad.push_back({.path = manifest.items[i].path,
                   .line = manifest.items[i].line,
                   .reason = std::move(reasons[i])});
  }
  return bad;
}

Manifest Select(const Manifest& manifest, const std::vector<bool>& keep) {
  if (keep.size() != manifest.items.size()) {
    InvalidArgument(manifest.name, ": ", keep.size(), " choices for ", manifest.items.size(),
                    " items");
  }
  Manifest selected = {.name = manifest.name, .images = manifest.images};
  for (size_t i = 0; i < keep.size(); ++i) {
    if (keep[i]) selected.items.push_back(manifest.items[i]);
  }
  return selected;
}

cv::Mat LoadCropped(const Manifest& manifest, const ManifestItem& item,
                    const DecodeOptions& options) {
  return LoadCroppedPart(manifest, item, options).pixels;
}

CroppedImage LoadCroppedPart(const Manifest& manifest, const ManifestItem& item,
                             const DecodeOptions& options) {
  DecodeOptions decode = options;
  decode.region =
      item.box ? cv::Rect2f(item.box->x, item.box->y, item.box->w, item.box->h) : cv::Rect2f();
  const DecodedImage image = manifest.images->Load(item, decode);
  if (!item.box) return {.pixels = image.pixels};
  CheckBox(item, image);
  const cv::Rect2f inside = PartInside(*item.box, image);
  const auto [left, right] =
      ScaledRange(inside.x, inside.width, image.full_width, image.pixels.cols);
  const auto [top, bottom] =
      ScaledRange(inside.y, inside.height, image.full_height, image.pixels.rows);
  const auto width = static_cast<float>(image.pixels.cols);
  const auto height = static_cast<float>(image.pixels.rows);
  // A copy: a view would keep the whole photograph in memory.
  return {.pixels = image.pixels(cv::Rect(left, top, right - left, bottom - top)).clone(),
          .part = {.x = static_cast<float>(left) / width,
                   .y = static_cast<float>(top) / height,
                   .w = static_cast<float>(right - left) / width,
                   .h = static_cast<float>(bottom - top) / height}};
}

Item ItemOf(const ManifestItem& photo) {
  Item item{
      .id = photo.path, .identity = photo.identity, .path = photo.path, .metadata = photo.metadata};
  if (const auto id = item.metadata.find("id"); id != item.metadata.end()) {
    item.id = id->second;
    item.metadata.erase(id);
  }
  if (!photo.split.empty()) item.metadata["split"] = photo.split;
  if (!photo.camera.empty()) item.metadata["camera"] = photo.camera;
  if (!photo.timestamp.empty()) item.metadata["timestamp"] = photo.timestamp;
  if (photo.is_query) item.metadata["is_query"] = *photo.is_query ? "true" : "false";
  if (photo.is_gallery) item.metadata["is_gallery"] = *photo.is_gallery ? "true" : "false";
  return item;
}

}  // namespace fluke
