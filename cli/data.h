// The parts of `fluke data`, one short file each, and what several of them do alike.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "common/manifest.h"

namespace fluke::cli {

void DeclareCheck(CLI::App& verb);
void DeclareStats(CLI::App& verb);
void DeclareSplit(CLI::App& verb);
void DeclareDuplicates(CLI::App& verb);
void DeclareSuspects(CLI::App& verb);
void DeclarePseudoLabels(CLI::App& verb);
void DeclareAdversarial(CLI::App& verb);
void DeclareCrop(CLI::App& verb);
void DeclareSynth(CLI::App& verb);

nlohmann::json BadRowsJson(const std::vector<BadRow>& bad);

// Where the photographs of a CSV or folder lie; "" where they are no files.
std::filesystem::path FolderOfPhotographs(const Manifest& manifest);

// The items with paths that are right in a manifest CSV called `out`. Throws InvalidArgument where
// that is the manifest itself, or where the photographs are not files in a folder.
std::vector<ManifestItem> ItemsForManifestAt(const std::filesystem::path& out,
                                             const Manifest& manifest);

}  // namespace fluke::cli
