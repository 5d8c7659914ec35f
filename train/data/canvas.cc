#include "train/data/canvas.h"

#include <utility>

#include <opencv2/imgproc.hpp>

#include "train/data/buffers.h"

namespace fluke::train {
namespace {

cv::Mat LookUp(const cv::Mat& image, const ColorTable& table) {
  cv::Mat out = BorrowBuffer(image.size(), image.type());
  for (int y = 0; y < image.rows; ++y) {
    const uint8_t* in = image.ptr(y);
    uint8_t* to = out.ptr(y);
    if (image.channels() == 1) {
      for (int x = 0; x < image.cols; ++x) to[x] = table[0][in[x]];
      continue;
    }
    for (int x = 0; x < image.cols; ++x, in += 3, to += 3) {
      to[0] = table[0][in[0]];
      to[1] = table[1][in[1]];
      to[2] = table[2][in[2]];
    }
  }
  return out;
}

// Maps pixel centres of a picture of `to` size to those of a picture of `from` size, edges on
// edges.
cv::Matx33d Scaling(cv::Size from, cv::Size to) {
  const double sx = static_cast<double>(from.width) / to.width,
               sy = static_cast<double>(from.height) / to.height;
  return {sx, 0, (sx - 1) / 2, 0, sy, (sy - 1) / 2, 0, 0, 1};
}

// cv::flip's code when `warp` is nothing but a mirroring (or a half turn), which needs no
// interpolation.
std::optional<int> FlipCode(const cv::Matx33d& warp, cv::Size size) {
  const cv::Matx33d across(-1, 0, size.width - 1, 0, 1, 0, 0, 0, 1);
  const cv::Matx33d down(1, 0, 0, 0, -1, size.height - 1, 0, 0, 1);
  if (warp == across) return 1;
  if (warp == down) return 0;
  if (warp == across * down) return -1;
  return std::nullopt;
}

}  // namespace

void Canvas::Warp(const cv::Matx33d& to_source, uint8_t fill) {
  if (field_) ApplyWarp(size());
  fill_.fill(fill);
  warp_ = warp_ ? *warp_ * to_source : to_source;
}

void Canvas::Displace(Displacement field) {
  if (field_) ApplyWarp(size());
  field_ = std::move(field);
}

void Canvas::MapColors(const ColorTable& table) {
  if (warp_ || field_) {
    for (int c = 0; c < channels(); ++c) fill_[c] = table[c][fill_[c]];
  }
  if (!colors_) {
    colors_ = table;
    return;
  }
  for (int c = 0; c < channels(); ++c) {
    for (uint8_t& value : (*colors_)[c]) value = table[c][value];
  }
}

const cv::Mat& Canvas::pixels() {
  ApplyWarp(size());
  return image_;
}

cv::Mat& Canvas::writable() {
  ApplyWarp(size());
  if (!owned_) {
    cv::Mat copy = Fresh();
    image_.copyTo(copy);
    Replace(std::move(copy));
  }
  return image_;
}

cv::Mat Canvas::Fresh() const { return BorrowBuffer(image_.size(), image_.type()); }

void Canvas::Replace(cv::Mat image) {
  image_ = std::move(image);
  owned_ = true;
}

cv::Mat Canvas::Finish(cv::Size size) {
  if (size != image_.size()) {
    // Enlarging would fetch the outermost pixels from half a pixel outside.
    const bool shrinks = size.width <= image_.cols && size.height <= image_.rows;
    if (warp_ && !field_ && shrinks) {
      warp_ = *warp_ * Scaling(image_.size(), size);
    } else {
      ApplyWarp(image_.size());
      cv::Mat resized = BorrowBuffer(size, image_.type());
      cv::resize(image_, resized, size, 0, 0, cv::INTER_LINEAR);
      Replace(std::move(resized));
    }
  }
  ApplyWarp(size);
  return image_;
}

void Canvas::ApplyColors() {
  if (!colors_) return;
  Replace(LookUp(image_, *colors_));
  colors_.reset();
}

void Canvas::ApplyWarp(cv::Size size) {
  ApplyColors();
  if (warp_ || field_) {
    const cv::Matx33d warp = warp_.value_or(cv::Matx33d::eye());
    const auto flip = size == image_.size() && !field_ ? FlipCode(warp, size) : std::nullopt;
    if (flip) {
      cv::Mat flipped = BorrowBuffer(size, image_.type());
      cv::flip(image_, flipped, *flip);
      Replace(std::move(flipped));
    } else {
      Replace(WarpImage(image_, warp, field_ ? &*field_ : nullptr, size, fill_));
    }
  }
  warp_.reset();
  field_.reset();
  fill_ = {};
}

}  // namespace fluke::train
