// Small pictures of the gallery's photographs, for the page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <semaphore>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"

namespace fluke::serve {

struct Thumbnail {
  std::string jpeg;
  std::string etag;  // of its bytes, with the quotes
};

struct ThumbnailOptions {
  size_t cache_bytes = 64 << 20;  // of encoded thumbnails
  int64_t max_image_pixels = 50'000'000;
  uint64_t max_file_bytes = 256 << 20;
  int at_once = 2;  // photographs in memory; more wait
};

// Thread-safe.
class Thumbnails {
 public:
  explicit Thumbnails(const ThumbnailOptions& options)
      : options_(options), decoding_(options.at_once) {}

  // The upright whole photograph `path` of `folder` (photo_file.h), its longer side at most
  // `longest_side_px` pixels. Throws NotFound where there is none or it cannot be decoded,
  // ResourceExhausted where it is too large or too many wait.
  Thumbnail Find(const std::string& folder, const std::string& path, int longest_side_px);

  // That the kept thumbnails take.
  size_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  struct Entry {
    std::string key;
    Thumbnail thumbnail;
  };
  bool FindKept(const std::string& key, Thumbnail* thumbnail);
  void Keep(const std::string& key, const Thumbnail& thumbnail);

  const ThumbnailOptions options_;
  std::counting_semaphore<> decoding_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);  // the latest used first
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, std::list<Entry>::iterator> by_key_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fluke::serve
