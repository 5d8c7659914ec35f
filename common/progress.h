// Progress on stderr: a bar with rate and ETA on a terminal, a plain line now and then otherwise.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace fluke {

// Thread-safe. `total` 0 = unknown.
class Progress {
 public:
  Progress(std::string label, int64_t total, std::string unit = "images");
  ~Progress();  // finishes the line
  void Advance(int64_t count = 1);
  // Shown behind the rate, e.g. "loss 3.21".
  void SetNote(std::string note);

 private:
  void Draw(bool last);
  std::mutex mutex_;
  std::string label_, unit_, note_;
  int64_t total_ = 0, done_ = 0;
  bool terminal_ = false;
  std::chrono::steady_clock::time_point begin_, drawn_;
};

}  // namespace fluke
