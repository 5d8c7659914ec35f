// From a manifest to what is trained on and what is validated on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config.h"
#include "common/manifest.h"
#include "fluke/v1/config.pb.h"

namespace fluke::train {

// Photographs with a class number each.
struct LabelledPhotos {
  Manifest manifest;
  std::vector<int64_t> labels;          // one an item
  std::vector<std::string> identities;  // name of each label
  std::vector<float> weights;           // of each item in the loss; empty: all the same
};

struct TrainingData {
  LabelledPhotos train;
  LabelledPhotos val;              // unseen identities or the val split; empty: no validation
  std::vector<std::string> notes;  // what was left out and why, for the log
};

// Throws InvalidArgument naming the config's line when nothing is left to train on.
TrainingData DivideManifest(const Manifest& manifest, const fluke::v1::Data& config,
                            const ConfigSource& source);

}  // namespace fluke::train
