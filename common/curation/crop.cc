#include "common/curation/crop.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <set>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_format.h"
#include "common/error.h"
#include "common/files.h"
#include "common/parallel.h"
#include "common/progress.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

// A name below images/ for every item: its path's, without what would lead out of the folder.
std::vector<std::string> CropNames(const std::vector<ManifestItem>& items, bool png) {
  std::set<std::string> taken;
  std::vector<std::string> names;
  for (const ManifestItem& item : items) {
    fs::path path;
    for (const fs::path& step : fs::path(item.path).relative_path()) {
      if (step != ".." && step != "." && !step.empty()) path /= step;
    }
    const std::string stem = (fs::path("images") / path).replace_extension().generic_string();
    std::string name = stem;
    for (int number = 2; !taken.insert(name).second; ++number) name = StrCat(stem, "_", number);
    names.push_back(name + (png ? ".png" : ".jpg"));
  }
  return names;
}

cv::Rect WithMargin(const Box& box, double margin, cv::Size size) {
  const double pad = margin * std::max(box.w, box.h);
  const int left = std::max(0, static_cast<int>(std::lround(box.x - pad)));
  const int top = std::max(0, static_cast<int>(std::lround(box.y - pad)));
  const int right = std::min(size.width, static_cast<int>(std::lround(box.x + box.w + pad)));
  const int bottom = std::min(size.height, static_cast<int>(std::lround(box.y + box.h + pad)));
  return {left, top, right - left, bottom - top};
}

cv::Mat ScaledDown(const cv::Mat& crop, int max_side_px, int interpolation) {
  const int side = std::max(crop.cols, crop.rows);
  if (max_side_px == 0 || side <= max_side_px) return crop;
  const double scale = static_cast<double>(max_side_px) / side;
  cv::Mat small;
  cv::resize(
      crop, small,
      cv::Size(std::max(1, cvRound(crop.cols * scale)), std::max(1, cvRound(crop.rows * scale))), 0,
      0, interpolation);
  return small;
}

void WriteImage(const fs::path& path, const cv::Mat& rgb, const std::vector<int>& parameters) {
  cv::Mat bgr = rgb;
  if (rgb.channels() == 3) cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<uint8_t> bytes;
  if (!cv::imencode(path.extension().string(), bgr, bytes, parameters))
    Throw(absl::StatusCode::kInternal, path, ": cannot encode ", rgb.cols, " x ", rgb.rows);
  fs::create_directories(path.parent_path());
  // The folder is made durable as a whole.
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) ThrowErrno(errno, "cannot write", path);
}

class Cropper {
 public:
  Cropper(const Manifest& manifest, const fs::path& folder, const CropOptions& options)
      : manifest_(manifest), folder_(folder), options_(options) {}

  // The item as it stands in the new manifest, its picture written under `name`.
  ManifestItem Crop(const ManifestItem& item, const std::string& name) const {
    const cv::Mat whole = manifest_.images->Load(item, {}).pixels;
    const cv::Rect part = item.box ? WithMargin(*item.box, options_.margin, whole.size())
                                   : cv::Rect(0, 0, whole.cols, whole.rows);
    if (part.empty()) {
      InvalidArgument(item.path, ": its box lies outside the photograph of ", whole.cols, "x",
                      whole.rows);
    }
    const std::vector<int> parameters =
        options_.png ? std::vector<int>{}
                     : std::vector<int>{cv::IMWRITE_JPEG_QUALITY, options_.jpeg_quality};
    WriteImage(folder_ / name, ScaledDown(whole(part), options_.max_side_px, cv::INTER_AREA),
               parameters);
    ManifestItem cropped = item;
    cropped.path = name;
    cropped.box.reset();
    cropped.metadata["source"] = item.path;
    cropped.metadata["source_box"] =
        absl::StrFormat("%d %d %d %d", part.x, part.y, part.width, part.height);
    if (!item.mask.empty()) cropped.mask = CropMask(item, name, part, whole.size());
    return cropped;
  }

 private:
  std::string CropMask(const ManifestItem& item, const std::string& name, const cv::Rect& part,
                       cv::Size size) const {
    ManifestItem mask;
    mask.path = item.mask;
    const cv::Mat pixels = manifest_.images->Load(mask, {.layout = PixelLayout::kUnchanged}).pixels;
    if (pixels.size() != size) {
      InvalidArgument(item.mask, ": a mask of ", pixels.cols, "x", pixels.rows, " for ", item.path,
                      " of ", size.width, "x", size.height);
    }
    const std::string mask_name = fs::path(name).replace_extension().generic_string() + "_mask.png";
    WriteImage(folder_ / mask_name,
               ScaledDown(pixels(part), options_.max_side_px, cv::INTER_NEAREST), {});
    return mask_name;
  }

  const Manifest& manifest_;
  const fs::path folder_;
  const CropOptions options_;
};

}  // namespace

std::vector<BadRow> CropPhotographs(const Manifest& manifest, const fs::path& folder,
                                    const CropOptions& options, int threads) {
  if (!(options.margin >= 0)) InvalidArgument("margin ", options.margin, "; expected 0 or more");
  AtomicFolder out(folder);
  const Cropper cropper(manifest, out.path(), options);
  const std::vector<std::string> names = CropNames(manifest.items, options.png);
  std::vector<ManifestItem> cropped(manifest.items.size());
  std::vector<std::string> errors(manifest.items.size());
  Progress progress("crop", static_cast<int64_t>(manifest.items.size()));
  ParallelFor(static_cast<int64_t>(manifest.items.size()), threads, [&](int64_t i, int) {
    try {
      cropped[i] = cropper.Crop(manifest.items[i], names[i]);
    } catch (const Error& error) {
      if (!options.skip_bad || error.code() == absl::StatusCode::kResourceExhausted) throw;
      errors[i] = error.what();
    }
    progress.Advance();
  });
  std::vector<BadRow> bad;
  std::vector<ManifestItem> kept;
  for (size_t i = 0; i < cropped.size(); ++i) {
    if (errors[i].empty()) {
      kept.push_back(std::move(cropped[i]));
    } else {
      bad.push_back({manifest.items[i].path, manifest.items[i].line, errors[i]});
    }
  }
  WriteManifestCsv(out.path() / "manifest.csv", kept);
  out.Commit();
  return bad;
}

}  // namespace fluke
