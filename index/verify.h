// Checking an index folder without opening it.
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

// Every file of every snapshot against its recorded size and CRC-32C, and CURRENT.
std::vector<FileCheck> VerifyIndex(const std::filesystem::path& folder);

}  // namespace fluke
