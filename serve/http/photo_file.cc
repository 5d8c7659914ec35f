#include "serve/http/photo_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "common/error.h"
#include "common/text.h"

namespace fluke::serve {
namespace {

constexpr size_t kMaxPathBytes = 4096;
// Not blocked by a pipe that somebody put there.
constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

// Where the kernel or its sandbox has no openat2(): a step a component, and no symbolic links.
int OpenStepByStep(int folder, std::string_view path) {
  int at = folder;
  for (;;) {
    const size_t slash = path.find('/');
    const std::string part(path.substr(0, slash));
    const bool is_last = slash == std::string_view::npos;
    int next = -1;
    if (part != ".." && !part.empty()) {
      next = openat(at, part.c_str(), kFlags | O_NOFOLLOW | (is_last ? 0 : O_DIRECTORY));
    }
    if (at != folder) close(at);
    if (next < 0 || is_last) return next;
    at = next;
    path.remove_prefix(slash + 1);
  }
}

int OpenBeneath(int folder, const std::string& path) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(kFlags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const long opened = syscall(SYS_openat2, folder, path.c_str(), &how, sizeof(how));
  if (opened >= 0) return static_cast<int>(opened);
  return errno == ENOSYS || errno == EPERM ? OpenStepByStep(folder, path) : -1;
}

}  // namespace

PhotoFile::PhotoFile(const std::string& folder, const std::string& path) {
  const bool is_path = !path.empty() && path.size() <= kMaxPathBytes && path.front() != '/' &&
                       path.find('\0') == std::string::npos;
  const int at = is_path ? open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  if (at >= 0) {
    fd_ = OpenBeneath(at, path);
    close(at);
  }
  struct stat facts = {};
  if (fd_ < 0 || fstat(fd_, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
    NotFound("the server has no photograph of this item");
  }
  size_ = static_cast<uint64_t>(facts.st_size);
  stamp_ = StrCat(facts.st_ino, ".", facts.st_size, ".", facts.st_mtim.tv_sec, ".",
                  facts.st_mtim.tv_nsec);
}

PhotoFile::~PhotoFile() { close(fd_); }

std::string PhotoFile::Read(uint64_t max_bytes) const {
  if (size_ > max_bytes) {
    Throw(absl::StatusCode::kResourceExhausted, "the photograph has ", size_, " bytes, at most ",
          max_bytes, " are read");
  }
  std::string bytes(size_, '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got =
        pread(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);  // of a file that has become shorter
  return bytes;
}

}  // namespace fluke::serve
