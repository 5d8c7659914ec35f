// The augmentations a config may name, and the chain of them that each training photograph goes
// through.
//
// Names and parameter meanings are those of albumentations 2.0.8 (in snake case); README.md lists
// where we differ. A transform is a pure function of (image, random numbers), works on CV_8UC3
// (RGB) and CV_8UC1, and keeps size and type.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "common/config.h"
#include "common/random.h"
#include "fluke/v1/config.pb.h"

namespace fluke::train {

class Canvas;

// How a parameter may be written.
enum class ParamForm {
  kNumber,     // one number
  kRange,      // [low, high], drawn uniformly; one number x is [x, x]
  kSymmetric,  // [low, high]; one number x is [-x, x]
  kUpTo,       // [low, high]; one number x is [smallest allowed, x]
};

struct ParamRow {
  std::string_view name;
  ParamForm form;
  double low, high;  // default; equal for kNumber
  double min, max;   // allowed, inclusive
  std::string_view help;
};

struct Range {
  double low = 0, high = 0;
};

// The parameters of one configured transform: its row's names with the values of the config or the
// defaults.
class Values {
 public:
  Values(std::span<const ParamRow> rows, std::vector<Range> ranges)
      : rows_(rows), ranges_(std::move(ranges)) {}
  // `name` must be one of the rows.
  Range range(std::string_view name) const;
  double number(std::string_view name) const { return range(name).low; }
  // Uniform in the range; both ends included for integers.
  double Draw(std::string_view name, Random& random) const;
  int DrawInteger(std::string_view name, Random& random) const;
  // Uniform among the odd numbers of the range (an even end counts as the next odd one).
  int DrawOdd(std::string_view name, Random& random) const;

 private:
  std::span<const ParamRow> rows_;
  std::vector<Range> ranges_;
};

struct TransformRow {
  std::string_view name;
  void (*apply)(const Values& values, Random& random, Canvas& canvas);
  std::string_view help;
  std::span<const ParamRow> params;
};

std::span<const TransformRow> Transforms();

// A chain of transforms, each applied with its probability. Immutable, safe to use from several
// threads.
class Augmenter {
 public:
  // Changes nothing.
  Augmenter() = default;
  // `field` is the path of `transforms` in the config ("augment"), for error messages: an unknown
  // transform or parameter, or a value out of range is InvalidArgument "train.yaml:12: ...".
  Augmenter(const google::protobuf::RepeatedPtrField<v1::Transform>& transforms,
            const ConfigSource& source, std::string_view field = "augment");

  // The augmented copy of `image`, resized to `size` (empty: its own). Neighbouring geometric
  // transforms and the final resize share one interpolation. May return `image` itself when nothing
  // applied; never writes to it.
  cv::Mat Apply(const cv::Mat& image, Random& random, cv::Size size = {}) const;

  bool empty() const { return steps_.empty(); }

 private:
  struct Step {
    const TransformRow* row;
    double p;
    Values values;
  };
  std::vector<Step> steps_;
};

}  // namespace fluke::train
