#include "common/synth/dataset.h"

#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_format.h"
#include "common/error.h"
#include "common/manifest.h"
#include "common/parallel.h"
#include "common/progress.h"
#include "common/random.h"
#include "common/split.h"
#include "common/synth/photo.h"
#include "common/synth/skin.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

void Check(const SynthOptions& options) {
  const auto in_range = [](const char* name, double value, double low, double high) {
    if (!(value >= low && value <= high)) {
      InvalidArgument("synth: ", name, " is ", value, ", expected ", low, " to ", high);
    }
  };
  in_range("identities", options.identities, 1, 100000);
  in_range("photos", options.min_photos, 1, 1000);
  in_range("photos", options.max_photos, options.min_photos, 1000);
  in_range("size", options.size_px, 32, 4096);
  in_range("difficulty", options.difficulty, 0, 1);
  in_range("test fraction", options.test_fraction, 0, 1);
}

void WriteJpeg(const fs::path& path, const cv::Mat& rgb, int quality) {
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<uint8_t> bytes;
  cv::imencode(".jpg", bgr, bytes, {cv::IMWRITE_JPEG_QUALITY, quality});
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file)
    Throw(absl::StatusCode::kResourceExhausted, path.string(), ": cannot write ", bytes.size(),
          " bytes");
}

ManifestItem Describe(const synth::Photo& photo, std::string path, std::string identity,
                      bool test) {
  ManifestItem item;
  item.path = std::move(path);
  item.identity = std::move(identity);
  item.split = test ? "test" : "train";
  item.box = Box{.x = static_cast<float>(photo.box.x),
                 .y = static_cast<float>(photo.box.y),
                 .w = static_cast<float>(photo.box.width),
                 .h = static_cast<float>(photo.box.height)};
  item.metadata = {{"yaw_deg", absl::StrFormat("%.1f", photo.yaw_deg)},
                   {"pitch_deg", absl::StrFormat("%.1f", photo.pitch_deg)},
                   {"roll_deg", absl::StrFormat("%.1f", photo.roll_deg)},
                   {"visible", absl::StrFormat("%.3f", photo.visible)},
                   {"blur_px", absl::StrFormat("%.2f", photo.blur_px)}};
  return item;
}

}  // namespace

int64_t WriteSyntheticFlukes(const fs::path& folder, const SynthOptions& options, int threads) {
  Check(options);
  const fs::path manifest_path = folder / "manifest.csv";
  if (fs::exists(manifest_path)) {
    InvalidArgument(manifest_path.string(),
                    ": exists already; name an empty folder or remove it first");
  }
  const size_t count = static_cast<size_t>(options.identities);
  const size_t train = TrainCount(count, options.test_fraction);
  std::vector<std::vector<ManifestItem>> items(count);
  int64_t photos = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto spread = static_cast<uint64_t>(options.max_photos - options.min_photos + 1);
    items[i].resize(static_cast<size_t>(options.min_photos) +
                    Random(RandomKey({options.seed, i, 1})).Below(spread));
    photos += static_cast<int64_t>(items[i].size());
  }

  Progress progress("synth", photos);
  ParallelFor(options.identities, threads, [&](int64_t index, int) {
    const auto individual = static_cast<uint64_t>(index);
    const std::string number = absl::StrFormat("%03d", index);
    const fs::path images = folder / "images" / number;
    std::error_code error;
    fs::create_directories(images, error);
    if (error) Throw(absl::StatusCode::kFailedPrecondition, images.string(), ": ", error.message());
    const synth::Skin skin =
        synth::GrowSkin(options.seed, individual, synth::SkinPixelsPerUnit(options.size_px));
    auto& mine = items[static_cast<size_t>(index)];
    for (size_t p = 0; p < mine.size(); ++p) {
      const synth::Photo photo = synth::TakePhoto(skin, RandomKey({options.seed, individual, p, 2}),
                                                  options.size_px, options.difficulty);
      const std::string path = absl::StrFormat("images/%s/%02d.jpg", number, p);
      WriteJpeg(folder / path, photo.rgb, photo.jpeg_quality);
      mine[p] = Describe(photo, path, "whale-" + number, individual >= train);
      progress.Advance();
    }
  });

  std::vector<ManifestItem> all;
  for (auto& mine : items) all.insert(all.end(), mine.begin(), mine.end());
  WriteManifestCsv(manifest_path, all);
  return photos;
}

}  // namespace fluke
