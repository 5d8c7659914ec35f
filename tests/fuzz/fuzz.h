// What a harness is made of: it defines LLVMFuzzerTestOneInput and Seeds, and nothing more.
//
// A parser may take any bytes or refuse them with a fluke::Error; a crash, another exception, a
// sanitizer's report, or an answer that Require() denies is a finding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace fluke::fuzz {

// Sound inputs to start from.
std::vector<std::string> Seeds();

// A file that holds these bytes until the next call; `name` ends as the parser expects.
std::filesystem::path FileOf(std::string_view bytes, const std::string& name);

inline std::string_view Text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Did `parse` take its input?
template <typename Parse>
bool Takes(const Parse& parse) {
  try {
    parse();
    return true;
  } catch (const Error&) {
    return false;
  }
}

inline void Require(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "denied: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

}  // namespace fluke::fuzz
