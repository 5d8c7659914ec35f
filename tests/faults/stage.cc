#include "tests/faults/stage.h"

#include <stdlib.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "tests/faults/child.h"

namespace fluke::faults {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSample = 8;

// In memory where there is such a folder: fsync is what takes the time.
fs::path ScratchFolder() {
  const fs::path memory = "/dev/shm";
  std::string path = ((access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path()) /
                      "fluke_faults_XXXXXX")
                         .string();
  if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("cannot make " + path);
  return fs::canonical(path);
}

}  // namespace

Stage::Stage(const Scenario& scenario) : scenario_(scenario), root_(ScratchFolder()) {
  fs::create_directories(watched());
  const ChildOutcome outcome = InChild([&](const Say&) {
    Performance performance(index(), scenario.options);
    for (const Step& step : scenario.before) performance.Do(step);
  });
  if (!outcome.well()) throw std::runtime_error("before the faults: " + outcome.said);
  fs::rename(watched(), root_ / "before");
}

Stage::~Stage() {
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

void Stage::Reset() const {
  fs::remove_all(watched());
  fs::remove_all(watched().string() + ".lost");
  fs::copy(root_ / "before", watched(), fs::copy_options::recursive);
}

std::vector<Operation> Stage::CountOperations() const {
  Reset();
  const ChildOutcome outcome = InChild([&](const Say& say) {
    BeginFaults({.folder = watched()});
    Performance performance(index(), scenario_.options);
    for (const Step& step : scenario_.steps) performance.Do(step);
    performance.Finish();
    ReachTheEnd();
    for (const Operation& operation : Operations()) {
      say(operation.name + " " + (operation.has_bytes ? "1" : "0") + " " + operation.path + "\n");
    }
  });
  if (!outcome.well()) throw std::runtime_error("without faults: " + outcome.said);
  std::vector<Operation> operations;
  std::istringstream lines(outcome.said);
  for (Operation read; lines >> read.name >> read.has_bytes && std::getline(lines, read.path);) {
    operations.push_back(read);
  }
  return operations;
}

std::vector<int64_t> OperationsToStopAt(const std::vector<Operation>& operations, Fault fault) {
  std::vector<int64_t> numbers;
  for (size_t i = 0; i < operations.size(); ++i) {
    const bool halves = fault == Fault::kIn || fault == Fault::kShortWrite;
    if (halves && !operations[i].has_bytes) continue;
    numbers.push_back(static_cast<int64_t>(i) + 1);
  }
  if (getenv("FLUKE_ALL_FAULTS") != nullptr || numbers.size() <= kSample) return numbers;
  std::vector<int64_t> sample;
  for (size_t i = 0; i < kSample; ++i) {
    sample.push_back(numbers[i * (numbers.size() - 1) / (kSample - 1)]);
  }
  return sample;
}

}  // namespace fluke::faults
