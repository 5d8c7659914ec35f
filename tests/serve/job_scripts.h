// Jobs whose programs are shell scripts: $1 and on are what the program would be told.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>

#include "serve/jobs/job_table.h"
#include "serve/server_seams.h"
#include "tests/common/scratch.h"

namespace fluke::serve {

// train: $1 config, $2 run. embed: $1 run, $2 manifest, $3 out. index: $1 embeddings, $2 type, $3
// out.
struct Scripts {
  std::string train = "exit 0";
  std::string embed = "mkdir -p $3";
  std::string index = "mkdir -p $3";

  JobCommands Commands() const {
    const auto words = [](const std::string& script, std::initializer_list<std::string> arguments) {
      JobCommands::Words all{"/bin/sh", "-c", script, "script"};
      all.insert(all.end(), arguments);
      return all;
    };
    using Path = std::filesystem::path;
    return {
        .train =
            [=, script = train](const Path& config, const Path& run) {
              return words(script, {config.string(), run.string()});
            },
        .embed =
            [=, script = embed](const Path& run, const Path& manifest, bool, const Path& out) {
              return words(script, {run.string(), manifest.string(), out.string()});
            },
        .build_index =
            [=, script = index](const Path& embeddings, const std::string& type, const Path& out) {
              return words(script, {embeddings.string(), type, out.string()});
            }};
  }
};

// What a run of two epochs leaves.
inline constexpr char kTwoEpochs[] =
    "mkdir -p $2; printf 'epoch,step,lr,loss,recall@1\\n1,10,0.5,2.5,0.25\\n2,20,0.5,1.5,0.75\\n' "
    "> "
    "$2/metrics.csv";

// Of what another process does there is no word but its traces.
inline bool Eventually(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < end) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

inline std::string TextOf(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

inline void Touch(const std::filesystem::path& file) { std::ofstream(file) << "\n"; }

inline NewJob SomeJob(const std::string& name = "some") {
  NewJob job;
  job.name = name;
  job.config_yaml = "shown";
  job.run_config = "data: {manifest: /nowhere/flukes.csv}\n";
  job.manifest = "/nowhere/flukes.csv";
  job.epochs = 2;
  return job;
}

}  // namespace fluke::serve
