// The seam between serve/cli and the trainers of classifiers, segmenters and detectors: photographs
// in, classes, masks or boxes out.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "common/manifest.h"

namespace fluke {

enum class PredictionKind { kClasses, kMask, kBoxes };

struct ScoredClass {
  std::string name;
  float probability = 0;
};

struct ScoredBox {
  Box box;  // pixels of the photograph as it was handed in
  std::string name;
  float score = 0;
};

// What a model of its kind fills of one photograph.
struct Prediction {
  std::vector<ScoredClass> classes;  // kClasses: all of them, most likely first
  cv::Mat mask;  // kMask: CV_8UC1 of the photograph's size; values are places in class_names
  std::vector<ScoredBox> boxes;  // kBoxes: highest score first
};

// Thread-safe.
class Predictor {
 public:
  virtual ~Predictor() = default;
  virtual PredictionKind kind() const = 0;
  virtual const std::vector<std::string>& class_names() const = 0;
  // images: CV_8UC3 RGB, upright, any size.
  virtual std::vector<Prediction> Predict(std::span<const cv::Mat> images) const = 0;
};

}  // namespace fluke
