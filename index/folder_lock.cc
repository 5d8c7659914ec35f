#include "index/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/error.h"
#include "common/files.h"

namespace fluke {

FolderLock::FolderLock(const std::filesystem::path& lock_file) {
  fd_ = open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd_ < 0) ThrowErrno(errno, "cannot lock", lock_file);
  if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    close(fd_);
    if (error == EWOULDBLOCK) {
      Throw(absl::StatusCode::kFailedPrecondition, lock_file.parent_path(),
            ": the index is being changed by another writer (it holds ", lock_file, ")");
    }
    Throw(absl::StatusCode::kUnavailable, "cannot lock ", lock_file, ": ", std::strerror(error));
  }
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) close(fd_);
}

FolderLock::FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

}  // namespace fluke
