// With libFuzzer: the seeds go into the corpus folders of the command line that are empty.
#include <spdlog/spdlog.h>

#include <filesystem>

#include "common/files.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  spdlog::set_level(spdlog::level::off);
  for (int i = 1; i < *argc; ++i) {
    const std::filesystem::path folder = (*argv)[i];
    if (!std::filesystem::is_directory(folder) || !std::filesystem::is_empty(folder)) continue;
    int number = 0;
    for (const std::string& seed : fluke::fuzz::Seeds()) {
      fluke::WriteFileAtomically(folder / ("seed" + std::to_string(number++)), seed);
    }
  }
  return 0;
}
