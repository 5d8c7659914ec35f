// A training config as the verbs that train read it.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "common/config.h"
#include "fluke/v1/config.pb.h"

namespace fluke::cli {

// LoadConfig, with absolute paths: those of the file are relative to it, those of `overrides`
// (--set) to the working directory. A run keeps them absolute, so that it can be repeated from
// anywhere.
ConfigSource LoadTrainConfig(const std::filesystem::path& file,
                             const std::vector<std::string>& overrides,
                             fluke::v1::TrainConfig* config);

// Set by SIGINT and SIGTERM from now on; the second one ends the process.
const std::atomic<bool>* StopOnSignals();

}  // namespace fluke::cli
