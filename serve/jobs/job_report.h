// What a job's folder says of how it goes. The folder of a run is train/run_folder.h's; its
// metrics.csv has a row an epoch with the columns epoch, step and then one a metric.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "fluke/v1/training.pb.h"

namespace fluke::serve {

// Every file name of a job's folder.
//
//   config.yaml      what `fluke train` is given
//   run/             the run folder
//   log.txt          what its processes said; before.txt: the part before that
//   lock             held by its processes
//   publication-N/   embeddings and index of its Nth publication
struct JobFolder {
  std::filesystem::path root;

  std::filesystem::path config() const { return root / "config.yaml"; }
  std::filesystem::path run() const { return root / "run"; }
  std::filesystem::path log() const { return root / "log.txt"; }
  std::filesystem::path log_before() const { return root / "before.txt"; }
  std::filesystem::path lock() const { return root / "lock"; }
  std::filesystem::path publication(int number) const {
    return root / ("publication-" + std::to_string(number));
  }
};

struct JobMetrics {
  std::vector<v1::MetricPoint> points;  // the last 10,000
  double epochs = 0;                    // done
  int64_t steps = 0;                    // done
};

// Of a run folder; nothing where there is no metrics.csv yet, or none that can be read.
JobMetrics ReadMetrics(const std::filesystem::path& run);

// Changes whenever a run has come further: a row of metrics or a checkpoint.
std::string ProgressMark(const std::filesystem::path& run);

// Changes whenever what a job's folder says does.
std::string FolderStamp(const JobFolder& folder);

// At most so many of its last lines, fit for clients (private_paths.h).
std::string LogTail(const JobFolder& folder, int lines, std::span<const std::string> roots);

}  // namespace fluke::serve
