// What is done to an index folder while faults happen, and what it must hold after each step.
#pragma once

#include <cstdint>
#include <filesystem>
#include <future>
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
  enum class By {
    kCreate,  // these by an IndexWriter
    kReplace,
    kContinue,
    kSameWriter,
    kLive,  // these by a LiveIndex
    kCompact,
    kCompactAside,  // begins, and is under way while the next steps are made
  };
  By by = By::kContinue;
  Range put = {};
  Range remove = {};
  Range update = {};
  int version = 1;  // of what is put or updated: another vector, other metadata
};

struct Scenario {
  std::string name;
  IndexOptions options;
  std::vector<Step> before;  // without faults
  std::vector<Step> steps;
  // Of a step that does something aside, the operations come in another order each time.
  bool repeats() const;
};
inline std::ostream& operator<<(std::ostream& out, const Scenario& scenario) {
  return out << scenario.name;
}
const std::vector<Scenario>& Scenarios();

struct Versions {
  int vector, item;
};
// By an item's number; none: there is no index.
using Contents = std::optional<std::map<int, Versions>>;
// After `steps` of the scenario's steps.
Contents ContentsAfter(const Scenario& scenario, size_t steps);

Item ItemOf(int number, int version);
std::vector<float> VectorOf(int number, int version, int64_t dimension);

// Does a scenario's steps.
class Performance {
 public:
  Performance(std::filesystem::path folder, IndexOptions options);
  ~Performance();
  // When this returns, the step is acknowledged. After an error it may be called again with the
  // same step, to complete it.
  void Do(const Step& step);
  // Waits for what is done aside; its error.
  void Finish();
  // What a LiveIndex answers from now; null: there is none.
  std::shared_ptr<const VectorIndex> Live() const;

 private:
  void DoByWriter(const Step& step);
  void DoLive(const Step& step);

  std::filesystem::path folder_;
  IndexOptions options_;
  std::unique_ptr<IndexWriter> writer_;
  std::unique_ptr<LiveIndex> live_;
  const Step* unfinished_ = nullptr;  // its writer is open
  std::future<void> aside_;
};

}  // namespace fluke::faults
