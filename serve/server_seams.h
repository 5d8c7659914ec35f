// What of other rooms a server needs besides indexes and models; handed over by cli/. All functions
// are called from several threads.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/config.h"
#include "common/predictor.h"
#include "fluke/v1/config.pb.h"

namespace fluke::serve {

// What `fluke train` checks before any work starts; paths are absolute. Throws fluke::Error that
// names line and key.
using CheckTrainConfig = std::function<void(const v1::TrainConfig&, const ConfigSource&)>;

// The command lines of a job's steps; argv[0] is the program's file.
struct JobCommands {
  using Path = std::filesystem::path;
  using Words = std::vector<std::string>;

  // Goes on from the last checkpoint of `run`, begins anew where there is none. SIGTERM: saves one
  // and ends.
  std::function<Words(const Path& config, const Path& run)> train;
  std::function<Words(const Path& run, const Path& manifest, bool skip_bad, const Path& out)> embed;
  // index_type: a preset or a FAISS factory string; empty: exact.
  std::function<Words(const Path& embeddings, const std::string& index_type, const Path& out)>
      build_index;
};

// Takes the index folder away to serve it as a collection of that name with the models of `runs`,
// which stay where they are, and points the alias to it, at once. Throws, and has changed nothing
// then.
using PublishCollection =
    std::function<void(const std::string& collection, const std::filesystem::path& index_folder,
                       const std::vector<std::string>& runs, const std::string& alias)>;

struct TrainingSeams {
  CheckTrainConfig check_config;
  JobCommands commands;
  PublishCollection publish;  // none: as a collection of the server itself
};

// By the names that requests call them by.
using Predictors = std::map<std::string, std::shared_ptr<const Predictor>, std::less<>>;

struct ServerSeams {
  TrainingSeams training;  // used where the config has `data` and `jobs.data`
  Predictors predictors;   // for Inference
};

}  // namespace fluke::serve
