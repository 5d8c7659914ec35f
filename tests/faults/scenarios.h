// What is done to an index folder while faults happen, and what it must hold after each step.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "common/item.h"
#include "common/vector_index.h"
#include "index/writer.h"

namespace fluke::faults {

// Items first, first + 1 ... last - 1.
struct Range {
  int first = 0, last = 0;
};

// One change, acknowledged as a whole.
struct Step {
  enum class By { kCreate, kReplace, kContinue, kSameWriter };
  By by = By::kContinue;
  Range put = {};
  Range remove = {};
  int version = 1;  // of what is put: another version is another vector and other metadata
};

struct Scenario {
  std::string name;
  IndexOptions options;
  std::vector<Step> before;  // without faults
  std::vector<Step> steps;
};
inline std::ostream& operator<<(std::ostream& out, const Scenario& scenario) {
  return out << scenario.name;
}
const std::vector<Scenario>& Scenarios();

// Version of each item; none: there is no index.
using Contents = std::optional<std::map<int, int>>;
// After `steps` of the scenario's steps.
Contents ContentsAfter(const Scenario& scenario, size_t steps);

Item ItemOf(int number, int version);
std::vector<float> VectorOf(int number, int version, int64_t dimension);

// Does a scenario's steps.
class Performance {
 public:
  Performance(std::filesystem::path folder, IndexOptions options);
  // When this returns, the step is acknowledged. After an error it may be called again with the
  // same step, to complete it.
  void Do(const Step& step);

 private:
  std::filesystem::path folder_;
  IndexOptions options_;
  std::unique_ptr<IndexWriter> writer_;
  const Step* unfinished_ = nullptr;  // its writer is open
};

}  // namespace fluke::faults
