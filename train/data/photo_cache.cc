#include "train/data/photo_cache.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <string>
#include <utility>

#include "common/error.h"
#include "common/text.h"
#include "train/data/batch_pixels.h"

namespace fluke::train {
namespace {

// "photos.csv:12: ..." in front of what the reader said, unless it said so itself.
std::string WithPlace(const Manifest& manifest, const ManifestItem& item,
                      const std::string& reason) {
  const std::string place = StrCat(manifest.name, ":", item.line, ": ");
  if (reason.starts_with(place)) return reason;
  const bool names_path = reason.find(item.path) != std::string::npos;
  return names_path ? StrCat(place, reason) : StrCat(place, item.path, ": ", reason);
}

}  // namespace

PhotoCache::PhotoCache(Manifest manifest, InputFormat input, int64_t budget_bytes)
    : manifest_(std::move(manifest)),
      input_(std::move(input)),
      photo_bytes_(int64_t{input_.width} * input_.height * input_.channels),
      capacity_(std::clamp<int64_t>(budget_bytes / photo_bytes_, 0,
                                    static_cast<int64_t>(manifest_.items.size()))),
      pixels_(
          std::make_unique_for_overwrite<uint8_t[]>(static_cast<size_t>(capacity_ * photo_bytes_))),
      states_(std::make_unique<std::atomic<State>[]>(static_cast<size_t>(capacity_))) {}

cv::Mat PhotoCache::Kept(int64_t item) const {
  return cv::Mat(input_.height, input_.width, CV_8UC(input_.channels),
                 pixels_.get() + item * photo_bytes_);
}

cv::Mat PhotoCache::Get(int64_t item) const {
  if (item >= capacity_) return Load(item);
  std::atomic<State>& state = states_[item];
  if (state.load(std::memory_order_acquire) == kReady) return Kept(item);
  cv::Mat photo = Load(item);
  State expected = kEmpty;
  if (!state.compare_exchange_strong(expected, kBeingWritten))
    return photo;  // another thread keeps it
  photo.copyTo(Kept(item));
  state.store(kReady, std::memory_order_release);
  return photo;
}

cv::Mat PhotoCache::Load(int64_t item) const {
  const ManifestItem& row = manifest_.items[item];
  DecodeOptions options;
  options.min_side_px = std::max(input_.width, input_.height);
  if (input_.channels == 1) options.layout = PixelLayout::kGray;
  try {
    return FitToInput(LoadCropped(manifest_, row, options), input_);
  } catch (const Error& error) {
    throw Error(error.code(), WithPlace(manifest_, row, error.what()));
  } catch (const std::exception& error) {
    throw Error(absl::StatusCode::kInternal, WithPlace(manifest_, row, error.what()));
  }
}

}  // namespace fluke::train
