// A program that the server runs beside itself, within limits.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fluke::serve {

// Owns an open file; -1: none.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

// A lock that is held as long as anybody has the file open whom this one was given to: also by
// children, and after their parent was killed. Empty while somebody else holds it. Throws
// fluke::Error naming the file.
std::optional<FileDescriptor> TryLock(const std::filesystem::path& file);

struct ChildOptions {
  std::vector<std::string> argv;       // argv[0]: its file
  std::filesystem::path folder = "/";  // that it works in
  int64_t max_data_bytes = 0;  // private memory that it may ask for (RLIMIT_DATA); 0: no limit
  int niceness = 0;            // added to the server's own
};

// Has a process group of its own, no input, one pipe for both outputs, and nothing else that the
// server had open. It is killed when the thread that made it ends, however it ends: a thread that
// outlives it must make it. Not thread-safe; the caller owns it.
class ChildProcess {
 public:
  // `lock` stays held until the child, and what it started, are gone. Throws fluke::Error when the
  // program cannot be started.
  ChildProcess(const ChildOptions& options, FileDescriptor lock);
  // Kills it.
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;

  pid_t pid() const { return pid_; }
  // Where its output is read; never blocks.
  int output() const { return output_.get(); }
  // To all of its group.
  void Signal(int signal) const;
  // Its status (see waitpid) once it has ended; what it had started is killed then.
  std::optional<int> TryWait();

 private:
  pid_t pid_ = -1;  // -1: has been waited for
  FileDescriptor output_;
};

}  // namespace fluke::serve
