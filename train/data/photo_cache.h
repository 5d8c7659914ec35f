// The photographs of a manifest, cropped to their box and fitted to the network's input, kept in
// memory as far as the budget goes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <opencv2/core/mat.hpp>

#include "common/manifest.h"
#include "train/input.h"

namespace fluke::train {

// Thread-safe. The first photographs of the manifest that fit into the budget are kept when they
// were first asked for; nothing is ever thrown out, because every epoch asks for everything once.
class PhotoCache {
 public:
  PhotoCache(Manifest manifest, InputFormat input, int64_t budget_bytes);

  // 8 bit, input.channels, input.height x input.width; not to be written to, and alive as long as
  // the cache. Throws fluke::Error naming the manifest's line and the photograph when it cannot be
  // read.
  cv::Mat Get(int64_t item) const;

  int64_t size() const { return static_cast<int64_t>(manifest_.items.size()); }
  const InputFormat& input() const { return input_; }

 private:
  enum State : uint8_t { kEmpty, kBeingWritten, kReady };

  cv::Mat Load(int64_t item) const;
  cv::Mat Kept(int64_t item) const;

  const Manifest manifest_;
  const InputFormat input_;
  const int64_t photo_bytes_;
  const int64_t capacity_;                   // photographs
  const std::unique_ptr<uint8_t[]> pixels_;  // capacity_ * photo_bytes_, touched as they come
  const std::unique_ptr<std::atomic<State>[]> states_;  // capacity_
};

}  // namespace fluke::train
