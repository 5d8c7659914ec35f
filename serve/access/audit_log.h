// Who changed what: one JSON line for each call that changes something.
//
//   {"time":"2026-11-26T06:41:28.123Z","request":"4be1...","caller":"curator",
//    "method":"Retrieval/Upsert","collection":"","code":"OK"}
//
// `caller` is the name of its key, or its address where there are no keys; `collection` as the
// request called it, empty = the default one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"

namespace fluke::serve {

struct AuditEntry {
  std::string_view request_id;
  std::string_view caller;
  std::string_view method;
  std::string_view collection;
  absl::StatusCode code = absl::StatusCode::kOk;
};

// Thread-safe. The file stays open: to rotate it, cut it (logrotate's copytruncate).
//
// A line is written when its call has ended. One that cannot be written fails no call - the change
// has happened - but is an error in the server's log, at most once a minute.
class AuditLog {
 public:
  using Clock = std::function<std::chrono::system_clock::time_point()>;

  // Throws an error that names the file when it cannot be appended to.
  explicit AuditLog(const std::string& path, Clock clock = std::chrono::system_clock::now);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  void Write(const AuditEntry& entry);

 private:
  void Append(std::string_view line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReportLost(int error) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  const Clock clock_;
  std::mutex mutex_;
  int fd_ ABSL_GUARDED_BY(mutex_) = -1;
  bool ends_within_line_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t lost_ ABSL_GUARDED_BY(mutex_) = 0;  // lines, not reported yet
  std::chrono::system_clock::time_point reported_at_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fluke::serve
