// What can be said against a training before any work starts.
#pragma once

#include "common/config.h"
#include "fluke/v1/config.pb.h"

namespace fluke::train {

// Looks at the named choices and their parameters, and divides the manifest; paths are absolute. No
// photograph is opened and no network made. Throws InvalidArgument naming the config's line, and
// the manifest's errors.
void CheckConfig(const fluke::v1::TrainConfig& config, const ConfigSource& source);

}  // namespace fluke::train
