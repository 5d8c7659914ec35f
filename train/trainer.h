// `fluke train`: a config in, a run folder out (run_folder.h).
//
// Everything random is a pure function of (seed, epoch, step), and a checkpoint holds all the rest,
// so that a run that was killed at any moment and resumed ends with the same bytes as one that was
// not.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>

#include "common/config.h"
#include "fluke/v1/config.pb.h"

namespace fluke::train {

struct TrainOptions {
  std::filesystem::path run;
  bool resume =
      false;  // go on from checkpoint/last.safetensors; begin anew where there is none yet
  // Set by a signal handler: a checkpoint is saved after the step under way and Train throws
  // Cancelled.
  const std::atomic<bool>* stop = nullptr;
  // Called before the first step of a run that begins, once its config and data are found right and
  // its folder is there; not for one that goes on from a checkpoint.
  std::function<void()> begun = {};
};

struct TrainSummary {
  int64_t steps = 0;
  double seconds = 0;       // training loop alone: loading and steps, no validation
  double images_per_s = 0;  // of this process, loading included
  double best = 0;          // of validation.best_by; NaN without validation
  int64_t best_epoch = -1;
  double loss = 0;  // mean of the last epoch
  double peak_rss_mb = 0;
};

// Throws fluke::Error: InvalidArgument for a wrong config, FailedPrecondition for weights or a
// checkpoint that do not fit, Aborted with step and photographs when the loss is not finite (the
// last good checkpoint is kept), Cancelled when stopped.
TrainSummary Train(const fluke::v1::TrainConfig& config, const ConfigSource& source,
                   const TrainOptions& options);

}  // namespace fluke::train
