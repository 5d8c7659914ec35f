// Where a run stands: everything besides tensors that --resume needs, kept as JSON in the
// checkpoint's metadata.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fluke::train {

struct ProgressState {
  std::string config_yaml;               // of the run that wrote it; a resumed run must agree
  int64_t epoch = 0;                     // 0-based, the one under way
  int64_t batch = 0;                     // batches of it that are done
  int64_t step = 0;                      // optimizer steps so far
  double loss_sum = 0;                   // over the epoch's batches so far
  double best = 0;                       // best validation value so far
  int64_t best_epoch = -1;               // 1-based; -1: none yet
  std::vector<std::string> metric_rows;  // the lines of metrics.csv, header first

  std::string ToJson() const;
  // Throws DataLoss naming `origin`.
  static ProgressState FromJson(const std::string& json, const std::string& origin);
};

}  // namespace fluke::train
