#include "train/tta.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include <opencv2/core.hpp>

#include "common/error.h"
#include "common/table.h"

namespace fluke::train {
namespace {

// torchvision's evaluation: crops of 224 out of 256 pixels.
constexpr double kCropSide = 224.0 / 256;

std::vector<View> Flip() { return {{}, {.mirrored = true}}; }

// The eight symmetries of the square.
std::vector<View> D4() {
  std::vector<View> views;
  for (const bool mirrored : {false, true}) {
    for (int turns = 0; turns < 4; ++turns) {
      views.push_back({.quarter_turns = turns, .mirrored = mirrored});
    }
  }
  return views;
}

// Four corners and the middle (torchvision's FiveCrop).
std::vector<View> FiveCrop() {
  constexpr double kEnd = 1 - kCropSide;
  std::vector<View> views;
  for (const auto& [x, y] : {std::pair(0.0, 0.0), std::pair(kEnd, 0.0), std::pair(0.0, kEnd),
                             std::pair(kEnd, kEnd), std::pair(kEnd / 2, kEnd / 2)}) {
    views.push_back({.x = x, .y = y, .side = kCropSide});
  }
  return views;
}

// Those and their mirror images.
std::vector<View> TenCrop() {
  std::vector<View> views = FiveCrop();
  for (View view : FiveCrop()) {
    view.mirrored = true;
    views.push_back(view);
  }
  return views;
}

// Radenovic, Tolias and Chum, PAMI 2018.
std::vector<View> MultiScale() {
  return {{}, {.scale = std::numbers::sqrt2}, {.scale = 1 / std::numbers::sqrt2}};
}

constexpr AugmentationRow kAugmentations[] = {
    {"flip", Flip, "the photograph and its mirror image (2 views)"},
    {"d4", D4, "quarter turns and their mirror images (8)"},
    {"five_crop", FiveCrop, "corners and middle, 7/8 of each side (5)"},
    {"ten_crop", TenCrop, "those and their mirror images (10)"},
    {"multi_scale", MultiScale, "the network's input at 1, sqrt(2) and 1/sqrt(2) of its size (3)"},
};

float Mean(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += value;
  return static_cast<float>(sum / static_cast<double>(values.size()));
}

float GeometricMean(std::span<const float> values) {
  double logarithms = 0;
  for (const float value : values) logarithms += std::log(std::fabs(double{value}));
  const double magnitude = std::exp(logarithms / static_cast<double>(values.size()));
  return static_cast<float>(std::copysign(magnitude, Mean(values)));
}

float Greatest(std::span<const float> values) { return std::ranges::max(values); }

constexpr MergeRow kMerges[] = {
    {"mean", Mean, "mean of the views' unit vectors"},
    {"gmean", GeometricMean, "geometric mean of each component's magnitude, with the mean's sign"},
    {"max", Greatest, "the greatest value of each component"},
};

bool AnyOf(const AugmentationRow& row, bool (*has)(const View& view)) {
  return std::ranges::any_of(row.views(), has);
}

struct Kind {
  std::string_view what;
  bool (*has)(const View& view);
};

constexpr Kind kKinds[] = {
    {"mirrors", [](const View& view) { return view.mirrored; }},
    {"crops", [](const View& view) { return view.side != 1; }},
    {"scales", [](const View& view) { return view.scale != 1; }},
};

void RefuseOverlap(const AugmentationRow& a, const AugmentationRow& b) {
  for (const Kind& kind : kKinds) {
    if (AnyOf(a, kind.has) && AnyOf(b, kind.has)) {
      InvalidArgument("tta: ", a.name, " and ", b.name, " do not go together: each ", kind.what);
    }
  }
}

// `second` of what `first` looks at; they change different things.
View Combined(const View& first, const View& second) {
  View both = first.side != 1 ? first : second;
  both.quarter_turns = first.quarter_turns + second.quarter_turns;
  both.mirrored = first.mirrored || second.mirrored;
  both.scale = first.scale * second.scale;
  return both;
}

}  // namespace

std::span<const AugmentationRow> Augmentations() { return kAugmentations; }

std::span<const MergeRow> Merges() { return kMerges; }

std::vector<View> ViewsOf(std::span<const std::string> names) {
  std::vector<View> views(1);
  for (size_t i = 0; i < names.size(); ++i) {
    const AugmentationRow& row = Find(kAugmentations, "tta", names[i]);
    for (size_t j = 0; j < i; ++j) RefuseOverlap(Find(kAugmentations, "tta", names[j]), row);
    std::vector<View> combined;
    for (const View& first : views) {
      for (const View& second : row.views()) combined.push_back(Combined(first, second));
    }
    views = std::move(combined);
  }
  return views;
}

cv::Mat Look(const cv::Mat& photograph, const View& view) {
  // At least a pixel, whatever the rounding.
  const auto part = [&](int size, double begin) {
    const int length = std::clamp(static_cast<int>(std::lround(size * view.side)), 1, size);
    const int first = std::clamp(static_cast<int>(std::lround(size * begin)), 0, size - length);
    return std::pair(first, length);
  };
  const auto [x, width] = part(photograph.cols, view.x);
  const auto [y, height] = part(photograph.rows, view.y);
  cv::Mat seen = photograph(cv::Rect(x, y, width, height));
  if (view.quarter_turns % 4 != 0) {
    constexpr int kTurns[] = {cv::ROTATE_90_COUNTERCLOCKWISE, cv::ROTATE_180,
                              cv::ROTATE_90_CLOCKWISE};
    cv::Mat turned;
    cv::rotate(seen, turned, kTurns[view.quarter_turns % 4 - 1]);
    seen = turned;
  }
  if (view.mirrored) {
    cv::Mat mirrored;
    cv::flip(seen, mirrored, /*flipCode: around the vertical axis*/ 1);
    seen = mirrored;
  }
  return seen;
}

double LargestScale(std::span<const View> views) {
  double largest = 1;
  for (const View& view : views) largest = std::max(largest, view.scale / view.side);
  return largest;
}

}  // namespace fluke::train
