#include "serve/http/thumbnails.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <span>
#include <vector>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "common/error.h"
#include "common/image.h"
#include "common/sha1.h"
#include "common/text.h"
#include "serve/http/photo_file.h"

namespace fluke::serve {
namespace {

constexpr int kJpegQuality = 85;
constexpr std::chrono::seconds kMostWait(10);

// `longest` of the longer of two sides.
int ShorterSide(int longer, int shorter, int longest) {
  return std::max(1,
                  static_cast<int>(std::lround(static_cast<double>(shorter) * longest / longer)));
}

std::string Shrunk(const std::string& bytes, int64_t max_pixels, int longest_side_px) {
  const auto raw = std::as_bytes(std::span(bytes.data(), bytes.size()));
  const ImageSize full = PeekImageSize(raw, "photograph");
  const int longer = std::max(full.width, full.height);
  const int longest = std::min(longest_side_px, longer);  // never larger than it is
  const int shorter = ShorterSide(longer, std::min(full.width, full.height), longest);
  cv::Mat pixels =
      DecodeImage(raw, {.min_side_px = shorter, .max_pixels = max_pixels}, "photograph").pixels;
  const cv::Size size =
      full.width >= full.height ? cv::Size(longest, shorter) : cv::Size(shorter, longest);
  if (pixels.size() != size) cv::resize(pixels, pixels, size, 0, 0, cv::INTER_AREA);
  cv::cvtColor(pixels, pixels, cv::COLOR_RGB2BGR);
  std::vector<uchar> jpeg;
  if (!cv::imencode(".jpg", pixels, jpeg, {cv::IMWRITE_JPEG_QUALITY, kJpegQuality})) {
    Throw(absl::StatusCode::kInternal, "a thumbnail cannot be encoded");
  }
  return {jpeg.begin(), jpeg.end()};
}

class Permit {
 public:
  explicit Permit(std::counting_semaphore<>* all) : all_(*all) {
    if (!all_.try_acquire_for(kMostWait)) {
      Throw(absl::StatusCode::kResourceExhausted,
            "too many photographs are being decoded; try again later");
    }
  }
  ~Permit() { all_.release(); }
  Permit(const Permit&) = delete;
  Permit& operator=(const Permit&) = delete;

 private:
  std::counting_semaphore<>& all_;
};

}  // namespace

Thumbnail Thumbnails::Find(const std::string& folder, const std::string& path,
                           int longest_side_px) {
  const PhotoFile file(folder, path);
  const std::string key = StrCat(folder, "\n", path, "\n", file.stamp(), "\n", longest_side_px);
  Thumbnail thumbnail;
  if (FindKept(key, &thumbnail)) return thumbnail;
  const Permit permit(&decoding_);
  try {
    thumbnail.jpeg =
        Shrunk(file.Read(options_.max_file_bytes), options_.max_image_pixels, longest_side_px);
  } catch (const Error& error) {
    if (error.code() != absl::StatusCode::kInvalidArgument) throw;
    NotFound("the photograph of this item cannot be shown: ", error.what());
  } catch (const cv::Exception&) {
    NotFound("the photograph of this item cannot be shown");
  }
  thumbnail.etag = StrCat("\"", Sha1Hex(thumbnail.jpeg), "\"");
  Keep(key, thumbnail);
  return thumbnail;
}

bool Thumbnails::FindKept(const std::string& key, Thumbnail* thumbnail) {
  const std::lock_guard lock(mutex_);
  const auto kept = by_key_.find(key);
  if (kept == by_key_.end()) return false;
  entries_.splice(entries_.begin(), entries_, kept->second);
  *thumbnail = kept->second->thumbnail;
  return true;
}

void Thumbnails::Keep(const std::string& key, const Thumbnail& thumbnail) {
  const std::lock_guard lock(mutex_);
  if (by_key_.contains(key)) return;
  entries_.push_front({.key = key, .thumbnail = thumbnail});
  by_key_.emplace(key, entries_.begin());
  const auto bytes_of = [](const Entry& entry) {
    return 2 * entry.key.size() + entry.thumbnail.jpeg.size();
  };
  bytes_ += bytes_of(entries_.front());
  while (bytes_ > options_.cache_bytes) {
    bytes_ -= bytes_of(entries_.back());
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

}  // namespace fluke::serve
