#include "common/metrics/calibration.h"

#include <algorithm>
#include <cmath>

#include "common/error.h"

namespace fluke {

Calibration MeasureCalibration(std::span<const float> confidences, const std::vector<bool>& right,
                               int64_t bins) {
  if (bins < 1) InvalidArgument(bins, " bins of confidence; expected at least 1");
  if (right.size() != confidences.size()) {
    InvalidArgument(confidences.size(), " confidences for ", right.size(), " answers");
  }
  Calibration calibration;
  calibration.bins.resize(bins);
  for (size_t i = 0; i < confidences.size(); ++i) {
    const double confidence = confidences[i];
    if (!(confidence >= 0 && confidence <= 1)) {
      InvalidArgument("confidence ", i, " is ", confidence, "; expected 0 to 1");
    }
    const auto above = static_cast<int64_t>(std::ceil(confidence * static_cast<double>(bins)));
    CalibrationBin& bin = calibration.bins[std::clamp<int64_t>(above - 1, 0, bins - 1)];
    ++bin.count;
    bin.confidence += confidence;
    bin.accuracy += right[i] ? 1 : 0;
  }
  for (CalibrationBin& bin : calibration.bins) {
    if (bin.count == 0) continue;
    bin.confidence /= static_cast<double>(bin.count);
    bin.accuracy /= static_cast<double>(bin.count);
    const double gap = std::abs(bin.accuracy - bin.confidence);
    calibration.ece +=
        gap * static_cast<double>(bin.count) / static_cast<double>(confidences.size());
    calibration.mce = std::max(calibration.mce, gap);
  }
  return calibration;
}

}  // namespace fluke
