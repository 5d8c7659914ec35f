#include "serve/access/audit_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>

#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "common/files.h"
#include "common/text.h"

namespace fluke::serve {
namespace {

constexpr std::chrono::minutes kBetweenReports(1);

// RFC 3339, UTC, to the millisecond.
std::string TimeText(std::chrono::system_clock::time_point time) {
  using std::chrono::milliseconds;
  const int64_t ms = std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm utc = {};
  gmtime_r(&seconds, &utc);
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                         utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, ms % 1000);
}

}  // namespace

AuditLog::AuditLog(const std::string& path, Clock clock) : path_(path), clock_(std::move(clock)) {
  fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
  if (fd_ < 0) ThrowErrno(errno, "cannot open the audit log", path);
}

AuditLog::~AuditLog() { close(fd_); }

void AuditLog::Write(const AuditEntry& entry) {
  const std::lock_guard lock(mutex_);
  nlohmann::ordered_json line;
  line["time"] = TimeText(clock_());
  line["request"] = entry.request_id;
  line["caller"] = entry.caller;
  line["method"] = entry.method;
  line["collection"] = entry.collection;
  const auto code = absl::StatusCodeToString(entry.code);
  line["code"] = std::string(code.data(), code.size());
  Append(
      line.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::ordered_json::error_handler_t::replace));
}

void AuditLog::Append(std::string_view line) {
  // What a full disk left of a line before must not spoil this one.
  const std::string bytes = StrCat(ends_within_line_ ? "\n" : "", line, "\n");
  size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t count = write(fd_, bytes.data() + written, bytes.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      const int error = count < 0 ? errno : ENOSPC;
      if (written > 0) ends_within_line_ = true;
      ReportLost(error);
      return;
    }
    written += static_cast<size_t>(count);
  }
  ends_within_line_ = false;
}

void AuditLog::ReportLost(int error) {
  ++lost_;
  const auto now = clock_();
  if (now - reported_at_ < kBetweenReports) return;
  spdlog::error("audit log {}: {}; {} lines are lost", path_,
                std::generic_category().message(error), lost_);
  reported_at_ = now;
  lost_ = 0;
}

}  // namespace fluke::serve
