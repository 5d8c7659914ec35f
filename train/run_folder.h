// Every file name of a run folder, in one place.
//
//   run.yaml                     the fully resolved config; reproduces the run
//   metrics.csv                  a row an epoch: epoch, step, lr, loss, validation metrics (no
//   times: reruns are byte-equal) model.safetensors            the run's result: the best epoch's
//   weights (the last one's without validation) classes.csv                  the identities the
//   loss was trained on, in the order of its weights bad_rows.csv                 photographs left
//   out (data.skip_bad) checkpoint/last.safetensors  everything --resume needs; its metadata holds
//   the progress as JSON checkpoint/best.safetensors  network and loss weights of the best epoch
//   events.out.tfevents.*        TensorBoard scalars
#pragma once

#include <filesystem>

namespace fluke::train {

struct RunFolder {
  std::filesystem::path root;

  std::filesystem::path config() const { return root / "run.yaml"; }
  std::filesystem::path metrics() const { return root / "metrics.csv"; }
  std::filesystem::path model() const { return root / "model.safetensors"; }
  std::filesystem::path classes() const { return root / "classes.csv"; }
  std::filesystem::path bad_rows() const { return root / "bad_rows.csv"; }
  std::filesystem::path checkpoints() const { return root / "checkpoint"; }
  std::filesystem::path last() const { return checkpoints() / "last.safetensors"; }
  std::filesystem::path best() const { return checkpoints() / "best.safetensors"; }
};

}  // namespace fluke::train
