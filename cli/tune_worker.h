// One trial of `fluke tune` under way.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serve/jobs/child_process.h"

namespace fluke::cli {

// Owns a process that trains, and reads what it has done so far. It is killed with this object and
// with the thread that made it. Not thread-safe.
class TuneWorker {
 public:
  // argv: the program and its words; what it says goes to `run`/train.log. Throws
  // FailedPrecondition while another process works on the trial.
  TuneWorker(int64_t trial, const std::filesystem::path& run, std::vector<std::string> argv);

  int64_t trial() const { return trial_; }
  double seconds() const;

  // Asks it to save its state and end.
  void Stop();
  bool pruned = false;  // stopped because it will not be among the best

  // Its status (see waitpid) once it has ended; takes its output meanwhile.
  std::optional<int> TryWait();
  // The last line that it said, as yet.
  std::string LastLine() const;
  // Epochs and values of a column of its metrics.csv that were not there at the last call. Throws
  // InvalidArgument where there is no such column.
  std::vector<std::pair<int, double>> NewValues(const std::string& metric);

 private:
  const int64_t trial_;
  const std::filesystem::path run_;
  const std::chrono::steady_clock::time_point begin_;
  std::ofstream log_;
  std::string last_;  // the end of its output
  int seen_ = 0;      // epochs
  std::unique_ptr<serve::ChildProcess> child_;
};

}  // namespace fluke::cli
