// The seam between serve/cli and train/: photographs in, unit vectors out.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <opencv2/core/mat.hpp>

namespace fluke {

// Thread-safe: calls are serialised inside where the model needs it.
class Embedder {
 public:
  virtual ~Embedder() = default;
  virtual int64_t dimension() const = 0;
  // Hex digest of weights and preprocessing; an index carries it and refuses another model.
  virtual std::string fingerprint() const = 0;
  // Photographs may be decoded at a reduced size as long as the (cropped) shorter side keeps this
  // many pixels.
  virtual int min_side_px() const = 0;
  // images: CV_8UC3 RGB, upright, already cropped, any size. out: images.size() x dimension(), unit
  // rows. Every embedding is the same whatever other images share the call (to float32 rounding).
  virtual void Embed(std::span<const cv::Mat> images, float* out) const = 0;
};

}  // namespace fluke
