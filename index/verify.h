// Checking an index folder: file by file without opening it, and by its answers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace fluke {

// What verification found out about one file.
struct FileCheck {
  std::string file;  // relative to the index folder
  uint64_t bytes = 0;
  std::string problem;  // "" = good; names the file
};

// Every file of every snapshot against its recorded size and CRC-32C, CURRENT, and every record of
// the log.
std::vector<FileCheck> VerifyIndex(const std::filesystem::path& folder);

// Every record of the log in LogFolder(folder) (layout.h); `index`: the folder that names are
// relative to.
void VerifyLog(const std::filesystem::path& index, const std::filesystem::path& folder,
               std::vector<FileCheck>& checks);

// A sample of the items as queries: what a search finds against a plain scan of all vectors.
struct NeighborCheck {
  int64_t queries = 0;
  double recall = 1;         // of the 20 true neighbours
  bool exact = true;         // the index promises all of them
  std::string problem = {};  // "" = good
};
// Throws as OpenIndex does.
NeighborCheck VerifyNeighbors(const std::filesystem::path& folder);

}  // namespace fluke
