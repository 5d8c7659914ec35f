#include "train/input.h"

#include "common/error.h"

namespace fluke::train {
namespace {

// ImageNet's statistics; grey: their means over the channels.
const std::vector<float> kRgbMean{.485f, .456f, .406f}, kRgbStd{.229f, .224f, .225f};
const std::vector<float> kGreyMean{.449f}, kGreyStd{.226f};

}  // namespace

InputFormat InputFormatOf(const fluke::v1::Input& config) {
  if (config.channels() == 2) InvalidArgument("input.channels: expected 1 or 3, found 2");
  const bool grey = config.channels() == 1;
  InputFormat input{.width = config.width(),
                    .height = config.height(),
                    .channels = config.channels(),
                    .mean = {config.mean().begin(), config.mean().end()},
                    .std = {config.std().begin(), config.std().end()}};
  if (input.mean.empty()) input.mean = grey ? kGreyMean : kRgbMean;
  if (input.std.empty()) input.std = grey ? kGreyStd : kRgbStd;
  const auto channels = static_cast<size_t>(input.channels);
  if (input.mean.size() != channels || input.std.size() != channels) {
    InvalidArgument("input: ", channels, " channels need as many values in mean and std, found ",
                    input.mean.size(), " and ", input.std.size());
  }
  for (float value : input.std) {
    if (!(value > 0)) InvalidArgument("input.std: expected positive values, found ", value);
  }
  return input;
}

}  // namespace fluke::train
