#include "common/local/extract_manifest.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <opencv2/core/utility.hpp>

#include "common/error.h"
#include "common/parallel.h"
#include "common/progress.h"

namespace fluke {
namespace {

constexpr int64_t kPhotosPerThread = 16;  // at a time

struct Extracted {
  LocalFeatures features;
  std::string error;  // "" where the photograph is good
  double seconds = 0;
};

Extracted Extract(const Manifest& manifest, const ManifestItem& item,
                  const KeyPointOptions& options) {
  Extracted extracted;
  const auto begin = std::chrono::steady_clock::now();
  try {
    extracted.features = ExtractPhoto(manifest, item, options);
  } catch (const std::exception& error) {
    extracted.error = error.what();
  }
  extracted.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return extracted;
}

// The one photograph of a query.
class OneImage : public ImageSource {
 public:
  explicit OneImage(std::string_view image) : image_(image) {}
  DecodedImage Load(const ManifestItem& item, const DecodeOptions& options) const override {
    return DecodeImage(std::as_bytes(std::span(image_)), options, item.path);
  }

 private:
  std::string_view image_;
};

// Here the photographs are the parallelism.
class OpenCvOnOneThread {
 public:
  OpenCvOnOneThread() : before_(cv::getNumThreads()) { cv::setNumThreads(1); }
  ~OpenCvOnOneThread() { cv::setNumThreads(before_); }

 private:
  int before_;
};

}  // namespace

LocalFeatures ExtractPhoto(const Manifest& manifest, const ManifestItem& item,
                           const KeyPointOptions& options) {
  // A reduced decoding keeps the shorter side, and so the longer one, long enough.
  const CroppedImage image = LoadCroppedPart(
      manifest, item, {.min_side_px = options.side_px, .layout = PixelLayout::kGray});
  LocalFeatures features = ExtractKeyPoints(image.pixels, options);
  features.part = image.part;
  return features;
}

LocalFeatures ExtractEncoded(std::string_view image, const std::optional<Box>& crop,
                             const KeyPointOptions& options) {
  const ManifestItem item{.path = "the query's photograph", .box = crop};
  const Manifest manifest{
      .name = "query", .items = {}, .images = std::make_shared<const OneImage>(image)};
  return ExtractPhoto(manifest, item, options);
}

Extraction ExtractManifest(const Manifest& manifest, const ExtractManifestOptions& options,
                           const ExtractedPhoto& use) {
  CheckKeyPointOptions(options.key_points);
  const int threads = options.threads > 0 ? options.threads : HardwareThreads();
  const OpenCvOnOneThread one_thread;
  const int64_t total = static_cast<int64_t>(manifest.items.size());
  const int64_t block = kPhotosPerThread * threads;
  Extraction summary;
  Progress progress("key points", total);
  for (int64_t begin = 0; begin < total; begin += block) {
    const int64_t count = std::min(block, total - begin);
    std::vector<Extracted> photos(static_cast<size_t>(count));
    ParallelFor(count, threads, [&](int64_t i, int) {
      photos[static_cast<size_t>(i)] =
          Extract(manifest, manifest.items[static_cast<size_t>(begin + i)], options.key_points);
      progress.Advance();
    });
    for (int64_t i = 0; i < count; ++i) {
      Extracted& photo = photos[static_cast<size_t>(i)];
      const ManifestItem& item = manifest.items[static_cast<size_t>(begin + i)];
      if (!photo.error.empty()) {
        if (!options.skip_bad) InvalidArgument(photo.error);
        summary.bad.push_back({item.path, item.line, photo.error});
        continue;
      }
      ++summary.photos;
      summary.key_points += photo.features.size();
      summary.extract_s += photo.seconds;
      use(item, std::move(photo.features));
    }
  }
  return summary;
}

}  // namespace fluke
