// TensorBoard event files: records of u64 length, masked CRC-32C of it, payload, masked CRC-32C of
// that; the payload is a tensorflow.Event message with scalar summaries.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace fluke::train {

// One event record as it stands in the file. wall_time_s: seconds since the epoch.
std::string EventRecord(double wall_time_s, int64_t step, std::string_view tag, float value);

// Appends scalars; each is flushed, so that a running TensorBoard sees it. Not thread-safe.
class TensorBoardWriter {
 public:
  // Creates events.out.tfevents.<time>.fluke in `folder`.
  explicit TensorBoardWriter(const std::filesystem::path& folder);
  void Scalar(std::string_view tag, int64_t step, double value);

 private:
  std::ofstream file_;
};

}  // namespace fluke::train
