// The main of a harness without libFuzzer:
//   fuzz_npy --runs 20000      the seeds, then so many mutations of them
//   fuzz_npy FILE...           inputs that were found, libFuzzer's among them
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <iostream>
#include <span>
#include <string>

#include "common/files.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutation.h"

namespace fluke::fuzz {
namespace {

constexpr char kLastInput[] = "fuzz-last-input";

std::string input;  // what is being parsed, for the signal handler

void Parse() {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

void KeepInput() {
  std::FILE* file = std::fopen(kLastInput, "wb");
  if (file == nullptr) return;
  std::fwrite(input.data(), 1, input.size(), file);
  std::fclose(file);
  std::fprintf(stderr, "the input is in %s\n", kLastInput);
}

void KeepInputAndAbort(int) {
  KeepInput();
  signal(SIGABRT, SIG_DFL);
  abort();
}

void Run(int64_t runs) {
  const std::vector<std::string> seeds = Seeds();
  for (const std::string& seed : seeds) {
    input = seed;
    Parse();
  }
  for (int64_t i = 0; i < runs; ++i) {
    Random random(RandomKey({static_cast<uint64_t>(i), 0xf022}));
    input = Mutated(seeds, random);
    Parse();
  }
  std::cout << seeds.size() << " seeds and " << runs << " mutations of them parsed\n";
}

}  // namespace
}  // namespace fluke::fuzz

// A length that is taken on trust shows as a large allocation.
extern "C" const char* __asan_default_options() {
  return "max_allocation_size_mb=256:handle_abort=0";
}

int main(int argc, char** argv) {
  using namespace fluke::fuzz;  // NOLINT: main must be global
  spdlog::set_level(spdlog::level::off);
  signal(SIGABRT, KeepInputAndAbort);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 2 && arguments[0] == "--runs") {
    Run(std::stoll(arguments[1]));
  } else {
    for (const std::string& path : arguments) {
      input = fluke::ReadFile(path);
      Parse();
    }
  }
}
