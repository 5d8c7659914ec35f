// Progress on stderr: a bar with rate and ETA on a terminal, a plain line at most every ten seconds
// otherwise.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

#include "absl/base/thread_annotations.h"

namespace fluke {

// What Progress shows, apart from the clock and the terminal.
struct ProgressState {
  std::string label, unit, note;
  int64_t done = 0;
  int64_t total = 0;  // 0: unknown
  double elapsed_s = 0;
};

// "embed 30/120 images, 15.0 images/s, ETA 0:06, loss 3.21"
std::string PlainProgress(const ProgressState& state);

// "embed  25% [#####...............] 30/120 images, 15.0 images/s, ETA 0:06, loss 3.21", at most
// `columns` wide. The bar is coloured where asked, which adds escape sequences but no width.
std::string ProgressBar(const ProgressState& state, int columns, bool colour);

// Thread-safe. `total` 0 = unknown.
class Progress {
 public:
  Progress(std::string label, int64_t total, std::string unit = "images");
  ~Progress();  // finishes the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void Advance(int64_t count = 1);
  // Shown behind the rate, e.g. "loss 3.21".
  void SetNote(std::string note);

 private:
  using Clock = std::chrono::steady_clock;
  void DrawIfDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Draw(Clock::time_point now, bool last) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const bool terminal_;
  const Clock::time_point begin_;
  std::mutex mutex_;
  ProgressState state_ ABSL_GUARDED_BY(mutex_);
  Clock::time_point drawn_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fluke
