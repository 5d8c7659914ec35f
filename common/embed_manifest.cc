#include "common/embed_manifest.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "common/error.h"
#include "common/progress.h"

namespace fluke {
namespace {

struct Decoded {
  std::vector<cv::Mat> images;
  std::vector<std::string> errors;  // "" where the image is good
};

Decoded DecodeRange(const Manifest& manifest, size_t begin, size_t end, int min_side_px,
                    int workers) {
  Decoded decoded{std::vector<cv::Mat>(end - begin), std::vector<std::string>(end - begin)};
  std::atomic<size_t> next = begin;
  const auto work = [&] {
    for (size_t i = next++; i < end; i = next++) {
      try {
        decoded.images[i - begin] =
            LoadCropped(manifest, manifest.items[i], {.min_side_px = min_side_px});
      } catch (const std::exception& error) {
        decoded.errors[i - begin] = error.what();
      }
    }
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < workers; ++i) threads.emplace_back(work);
  threads.clear();
  return decoded;
}

}  // namespace

std::vector<BadRow> EmbedManifest(const Embedder& embedder, const Manifest& manifest,
                                  const EmbedManifestOptions& options, const EmbeddedBatch& use) {
  const size_t n = manifest.items.size();
  const auto batch = static_cast<size_t>(std::max(1, options.batch_size));
  const int workers = options.workers > 0
                          ? options.workers
                          : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const auto decode = [&](size_t begin) {
    return DecodeRange(manifest, begin, std::min(n, begin + batch), embedder.min_side_px(),
                       workers);
  };
  std::vector<BadRow> bad;
  Progress progress("embed", static_cast<int64_t>(n));
  std::future<Decoded> ahead;
  if (n > 0) ahead = std::async(std::launch::async, decode, size_t{0});
  for (size_t begin = 0; begin < n; begin += batch) {
    Decoded decoded = ahead.get();
    if (begin + batch < n) ahead = std::async(std::launch::async, decode, begin + batch);
    std::vector<cv::Mat> images;
    std::vector<const ManifestItem*> items;
    for (size_t i = 0; i < decoded.images.size(); ++i) {
      const ManifestItem& item = manifest.items[begin + i];
      if (decoded.errors[i].empty()) {
        images.push_back(decoded.images[i]);
        items.push_back(&item);
      } else if (options.skip_bad) {
        bad.push_back({item.path, item.line, decoded.errors[i]});
      } else {
        InvalidArgument(decoded.errors[i]);
      }
    }
    std::vector<float> vectors(images.size() * static_cast<size_t>(embedder.dimension()));
    embedder.Embed(images, vectors.data());
    use(items, vectors);
    progress.Advance(static_cast<int64_t>(decoded.images.size()));
  }
  return bad;
}

}  // namespace fluke
