// The lock that lets one writer change an index folder at a time.
#pragma once

#include <filesystem>

namespace fluke {

// Held as long as the object lives, and released by the kernel when the process dies. Throws
// FailedPrecondition when somebody else holds it, in this process or another.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& lock_file);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace fluke
