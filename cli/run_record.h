// What a run was made of, beside its config: written by `fluke train`, read by `fluke runs`.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "common/manifest.h"
#include "fluke/v1/config.pb.h"

namespace fluke::cli {

struct RunRecord {
  std::vector<std::string> command = {};  // the words that began it
  std::string folder = {};                // that it was begun in
  std::string git_commit = {};  // of the repository around that folder; "" where there is none
  std::string data_fingerprint = {};
};

// SHA-1 of every item's path, identity, split and box, in the order of the paths: the same for the
// same rows in any order. What the photographs hold is not looked at.
std::string DataFingerprint(const Manifest& manifest);

// Of what a config trains on.
std::string DataFingerprint(const v1::TrainConfig& config);

// The commit that HEAD of the repository around `folder` stands on, read from its files; "" where
// there is none.
std::string GitCommit(const std::filesystem::path& folder);

// This process's own command line.
std::vector<std::string> CommandWords();

// Of a run of `config` that this process begins.
RunRecord RecordOf(const v1::TrainConfig& config);

// RUN/record.json. Reading one that is missing gives an empty record.
void WriteRunRecord(const std::filesystem::path& run, const RunRecord& record);
RunRecord ReadRunRecord(const std::filesystem::path& run);

// A run as its folder tells it.
struct RunSummary {
  std::filesystem::path run = {};
  std::map<std::string, std::string> config = {};  // dotted path -> value, of run.yaml
  RunRecord record = {};
  std::map<std::string, double> best = {};  // of each column of metrics.csv over its epochs
  int epochs = 0;
  bool finished = false;  // model.safetensors is there
};
RunSummary ReadRun(const std::filesystem::path& run);

// All runs in and below `folder`, by path.
std::vector<RunSummary> ReadRunsBelow(const std::filesystem::path& folder);

// Config fields that are not the same in all of them: field -> a value a run, "" where it has none.
std::map<std::string, std::vector<std::string>> ConfigDifference(
    const std::vector<RunSummary>& runs);

}  // namespace fluke::cli
