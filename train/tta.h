// Test-time augmentation: several views of a photograph, each embedded, their embeddings merged.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <opencv2/core/mat.hpp>

namespace fluke::train {

// Of a photograph, in this order: a part of it, turned, at a size of the network's input.
struct View {
  // The part: corner and side as shares of width and height.
  double x = 0, y = 0, side = 1;
  // Quarter turns to the left, then the mirror image.
  int quarter_turns = 0;
  bool mirrored = false;
  double scale = 1;  // times the input's width and height
};

struct AugmentationRow {
  std::string_view name;
  std::vector<View> (*views)();
  std::string_view help;
};

std::span<const AugmentationRow> Augmentations();

// Every view of one with every view of the next; none: the photograph as it is. Throws
// InvalidArgument for an unknown name, one that is there twice, or two that do the same thing (flip
// and d4, five_crop and ten_crop ...).
std::vector<View> ViewsOf(std::span<const std::string> names);

// The part, turned; its size is the part's.
cv::Mat Look(const cv::Mat& photograph, const View& view);

// How much larger than the network's input a photograph must be so that no view lacks pixels.
double LargestScale(std::span<const View> views);

struct MergeRow {
  std::string_view name;
  // values: of one component in each view.
  float (*merge)(std::span<const float> values);
  std::string_view help;
};

std::span<const MergeRow> Merges();

}  // namespace fluke::train
