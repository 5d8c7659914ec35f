#include "serve/jobs/job_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace fluke::serve {
namespace {

// Read at once, so that one job that talks without end holds up no other.
constexpr int kMaxReads = 64;

}  // namespace

JobLog::JobLog(const JobFolder& folder, int64_t max_bytes)
    : folder_(folder), max_file_bytes_(std::max<int64_t>(1, max_bytes / 2)) {
  Open();
}

void JobLog::Open() {
  file_ =
      FileDescriptor(open(folder_.log().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  const off_t end = file_.get() < 0 ? 0 : lseek(file_.get(), 0, SEEK_END);
  size_ = std::max<off_t>(0, end);
}

void JobLog::Append(std::string_view bytes) {
  while (!bytes.empty()) {
    if (size_ >= max_file_bytes_) {
      std::error_code ignored;
      std::filesystem::rename(folder_.log(), folder_.log_before(), ignored);
      if (ignored) return;
      Open();
    }
    const auto room = static_cast<size_t>(max_file_bytes_ - size_);
    const ssize_t written = write(file_.get(), bytes.data(), std::min(bytes.size(), room));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    size_ += written;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void JobLog::AppendFrom(int pipe) {
  char buffer[16 << 10];
  for (int i = 0; i < kMaxReads; ++i) {
    const ssize_t count = read(pipe, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    Append({buffer, static_cast<size_t>(count)});
  }
}

}  // namespace fluke::serve
