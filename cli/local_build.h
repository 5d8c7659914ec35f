// The local half of `fluke index`: key points of photographs in an index folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "common/local/extract_manifest.h"
#include "index/local/evidence_calibration.h"

namespace fluke::cli {

struct LocalBuildArguments {
  std::string manifest;  // "": no local evidence is asked for
  std::string split;
  ExtractManifestOptions extraction;
};

// Options of `fluke index build`.
void DeclareLocalBuild(CLI::App& verb, LocalBuildArguments& arguments);

// The photographs' key points -> INDEX/local. Returns what there is to say of the work.
nlohmann::ordered_json BuildLocal(const LocalBuildArguments& arguments,
                                  const std::filesystem::path& index);

// Options of `fluke index add`.
void DeclareLocalAdd(CLI::App& verb, LocalBuildArguments& arguments);

// The photographs' key points -> the local evidence that is there, found as its own were. Returns
// what BuildLocal does.
nlohmann::ordered_json AddLocal(const LocalBuildArguments& arguments,
                                const std::filesystem::path& index);
// As `fluke index remove` and `compact`, of the local evidence where there is one. The folder's
// lock is held. Returns how many of the ids were there.
int64_t RemoveLocal(const std::vector<std::string>& ids, const std::filesystem::path& index);
void CompactLocal(const std::filesystem::path& index);

// What the folder's local evidence holds, without opening it; null where there is none.
nlohmann::ordered_json DescribeLocal(const std::filesystem::path& index);

struct CalibrateArguments {
  std::string index;
  std::string from;      // index folder to learn from; "": the same
  bool sibling = false;  // its embeddings are of another model, trained in the same way
  CalibrateOptions options;
};

// Options of `fluke index calibrate`.
void DeclareLocalCalibrate(CLI::App& verb, CalibrateArguments& arguments);

nlohmann::ordered_json CalibrateLocal(const CalibrateArguments& arguments);

}  // namespace fluke::cli
