// Whether a confidence means what it says.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fluke {

struct CalibrationBin {
  int64_t count = 0;
  double confidence = 0;  // mean
  double accuracy = 0;
};

struct Calibration {
  double ece = 0;  // expected calibration error: sum of count / n * |accuracy - confidence|
  double mce = 0;  // the largest |accuracy - confidence|
  std::vector<CalibrationBin> bins;
};

// Guo et al. 2017: `bins` bins of equal width, each open below and closed above (0 is in the
// first). confidences: 0..1, right: one each. Throws InvalidArgument for a confidence outside.
Calibration MeasureCalibration(std::span<const float> confidences, const std::vector<bool>& right,
                               int64_t bins = 15);

}  // namespace fluke
