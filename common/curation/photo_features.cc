#include "common/curation/photo_features.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include <opencv2/imgproc.hpp>

#include "common/curation/timestamp.h"
#include "common/error.h"
#include "common/parallel.h"
#include "common/progress.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
constexpr int kLookedAtSidePx = 256;
constexpr size_t kMostCameras = 8;
constexpr double kYearSeconds = 365.25 * 86400;

constexpr std::array<const char*, 16> kNames = {
    "file_bytes", "bits_per_pixel", "width", "height",  "aspect", "box_share",
    "brightness", "contrast",       "red",   "green",   "blue",   "saturation",
    "sharpness",  "time_years",     "hour",  "has_time"};
enum Feature {
  kFileBytes,
  kBitsPerPixel,
  kWidth,
  kHeight,
  kAspect,
  kBoxShare,
  kBrightness,
  kContrast,
  kRed,
  kGreen,
  kBlue,
  kSaturation,
  kSharpness,
  kTime,
  kHour,
  kHasTime
};
using Row = std::vector<double>;

void LookAt(const cv::Mat& rgb, Row* row) {
  const double scale =
      std::min(1.0, static_cast<double>(kLookedAtSidePx) / std::max(rgb.cols, rgb.rows));
  cv::Mat small, gray, hsv, laplacian;
  cv::resize(
      rgb, small,
      cv::Size(std::max(1, cvRound(rgb.cols * scale)), std::max(1, cvRound(rgb.rows * scale))), 0,
      0, cv::INTER_AREA);
  cv::cvtColor(small, gray, cv::COLOR_RGB2GRAY);
  cv::cvtColor(small, hsv, cv::COLOR_RGB2HSV);
  cv::Laplacian(gray, laplacian, CV_64F);
  cv::Scalar mean, deviation, ignored, edges;
  cv::meanStdDev(gray, mean, deviation);
  cv::meanStdDev(laplacian, ignored, edges);
  const cv::Scalar colour = cv::mean(small);
  (*row)[kBrightness] = mean[0];
  (*row)[kContrast] = deviation[0];
  (*row)[kRed] = colour[0] - mean[0];
  (*row)[kGreen] = colour[1] - mean[0];
  (*row)[kBlue] = colour[2] - mean[0];
  (*row)[kSaturation] = cv::mean(hsv)[1];
  (*row)[kSharpness] = std::log1p(edges[0] * edges[0]);
}

// Throws where the photograph cannot be read.
void Measure(const Manifest& manifest, const fs::path& photo_folder, const ManifestItem& item,
             Row* row) {
  if (const auto seconds = ParseTimestamp(item.timestamp)) {
    (*row)[kTime] = static_cast<double>(*seconds) / kYearSeconds;
    const int64_t of_day = *seconds - DayOf(*seconds) * 86400;
    if (of_day != 0) (*row)[kHour] = static_cast<double>(of_day) / 3600;  // midnight: a date alone
  }
  (*row)[kHasTime] = !std::isnan((*row)[kTime]);
  const DecodedImage image = manifest.images->Load(item, {.min_side_px = kLookedAtSidePx});
  const double width = image.full_width, height = image.full_height;
  (*row)[kWidth] = width;
  (*row)[kHeight] = height;
  (*row)[kAspect] = width / height;
  if (item.box) (*row)[kBoxShare] = double{item.box->w} * item.box->h / (width * height);
  std::error_code error;
  const auto bytes = photo_folder.empty() ? 0 : fs::file_size(photo_folder / item.path, error);
  if (!photo_folder.empty() && !error) {
    (*row)[kFileBytes] = static_cast<double>(bytes);
    (*row)[kBitsPerPixel] = static_cast<double>(bytes) * 8 / (width * height);
  }
  LookAt(image.pixels, row);
}

std::vector<std::string> FrequentCameras(const std::vector<ManifestItem>& items) {
  std::map<std::string, int64_t> counts;
  for (const ManifestItem& item : items) {
    if (!item.camera.empty()) ++counts[item.camera];
  }
  std::vector<std::string> cameras;
  for (const auto& [camera, count] : counts) cameras.push_back(camera);
  std::stable_sort(cameras.begin(), cameras.end(),
                   [&](const auto& a, const auto& b) { return counts.at(a) > counts.at(b); });
  cameras.resize(std::min(cameras.size(), kMostCameras));
  return cameras;
}

// Without the columns that are NaN in every row, or the same in all.
FeatureTable Telling(const FeatureTable& all) {
  std::vector<size_t> kept;
  for (size_t column = 0; column < all.names.size(); ++column) {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const Row& row : all.rows) {
      if (row.empty() || std::isnan(row[column])) continue;
      low = std::min(low, row[column]);
      high = std::max(high, row[column]);
    }
    if (low < high) kept.push_back(column);
  }
  FeatureTable table;
  for (size_t column : kept) table.names.push_back(all.names[column]);
  for (const Row& row : all.rows) {
    table.rows.emplace_back();
    if (row.empty()) continue;
    for (size_t column : kept) table.rows.back().push_back(row[column]);
  }
  table.unreadable = all.unreadable;
  return table;
}

}  // namespace

FeatureTable PhotoFeatures(const Manifest& manifest, const fs::path& photo_folder, int threads) {
  FeatureTable table;
  table.names.assign(kNames.begin(), kNames.end());
  const std::vector<std::string> cameras = FrequentCameras(manifest.items);
  for (const std::string& camera : cameras) table.names.push_back("camera=" + camera);
  table.rows.assign(manifest.items.size(), Row(table.names.size(), kUnknown));
  std::vector<std::string> errors(manifest.items.size());
  Progress progress("features", static_cast<int64_t>(manifest.items.size()));
  ParallelFor(static_cast<int64_t>(manifest.items.size()), threads, [&](int64_t i, int) {
    const ManifestItem& item = manifest.items[i];
    Row& row = table.rows[i];
    for (size_t camera = 0; camera < cameras.size(); ++camera)
      row[kNames.size() + camera] = item.camera == cameras[camera];
    try {
      Measure(manifest, photo_folder, item, &row);
    } catch (const Error& error) {
      errors[i] = error.what();
      row.clear();
    }
    progress.Advance();
  });
  for (size_t i = 0; i < errors.size(); ++i) {
    const ManifestItem& item = manifest.items[i];
    if (table.rows[i].empty()) table.unreadable.push_back({item.path, item.line, errors[i]});
  }
  return Telling(table);
}

}  // namespace fluke
