// From a decoded photograph to the numbers a network reads. Training, validation and the embedder
// share this, so that they see the same pixels.
#pragma once

#include <opencv2/core/mat.hpp>

#include "train/input.h"

namespace fluke::train {

// How the pixels of a batch of N x C x H x W values lie in memory.
enum class Layout {
  kNhwc,  // colours of a pixel side by side: Torch's channels_last
  kNchw,
};

// CV_8UC3 (RGB) or CV_8UC1 of any size -> 8 bit, input.channels, input.height x input.width
// (averaged over areas where it shrinks).
cv::Mat FitToInput(const cv::Mat& image, const InputFormat& input);

// (value / 255 - mean) / std of a fitted image, one image of a batch. out: channels * height *
// width floats.
void Normalize(const cv::Mat& fitted, const InputFormat& input, Layout layout, float* out);

// Both.
inline void WritePixels(const cv::Mat& image, const InputFormat& input, float* out,
                        Layout layout = Layout::kNhwc) {
  Normalize(FitToInput(image, input), input, layout, out);
}

}  // namespace fluke::train
