// What a network wants as input: size, channels, normalisation. Config fields with their defaults
// filled in.
#pragma once

#include <vector>

#include "fluke/v1/config.pb.h"

namespace fluke::train {

struct InputFormat {
  int width = 0;
  int height = 0;
  int channels = 3;
  std::vector<float> mean;  // a channel, of values 0..1
  std::vector<float> std;
};

// Throws InvalidArgument when mean or std do not have one value a channel, or a std is not
// positive.
InputFormat InputFormatOf(const fluke::v1::Input& config);

}  // namespace fluke::train
