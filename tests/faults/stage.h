// Where the tests of this folder let a scenario happen, again and again with another fault.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/faults/fault_layer.h"
#include "tests/faults/scenarios.h"

namespace fluke::faults {

class Stage {
 public:
  // Makes the scenario's `before`. Throws std::runtime_error where that fails.
  explicit Stage(const Scenario& scenario);
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // The index as it is before the steps, and the only thing in its folder.
  void Reset() const;
  // What the layer watches; the index is some folders below, which are not there before it.
  std::filesystem::path watched() const { return root_ / "watched"; }
  std::filesystem::path index() const { return watched() / "data" / "whales" / "index"; }

  // Those of the whole scenario, "end" included.
  std::vector<Operation> CountOperations() const;

 private:
  const Scenario& scenario_;
  std::filesystem::path root_;
};

// Numbers of the operations to stop at: all, or by default an even sample.
std::vector<int64_t> OperationsToStopAt(const std::vector<Operation>& operations, Fault fault);

}  // namespace fluke::faults
