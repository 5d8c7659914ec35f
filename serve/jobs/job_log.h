// What a job's processes say, in a file that does not grow without end.
#pragma once

#include <cstdint>
#include <string_view>

#include "serve/jobs/child_process.h"
#include "serve/jobs/job_report.h"

namespace fluke::serve {

// Two files of at most half of `max_bytes` each: when one is full it takes the place of the one
// before. A line that cannot be written is left out: a full disk must not end a training. Not
// thread-safe; the caller owns it.
class JobLog {
 public:
  JobLog(const JobFolder& folder, int64_t max_bytes);

  void Append(std::string_view bytes);
  // All that can be read of a pipe without waiting.
  void AppendFrom(int pipe);

 private:
  void Open();

  JobFolder folder_;
  int64_t max_file_bytes_;
  int64_t size_ = 0;
  FileDescriptor file_;
};

}  // namespace fluke::serve
