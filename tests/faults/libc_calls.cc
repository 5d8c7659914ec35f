// The functions of libc that the layer stands before, as operations.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>

#include "tests/faults/operate.h"

namespace fluke::faults {
namespace {

// Where a descriptor's file is now, "" for none.
std::string PathOf(int fd) {
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  std::string path(4096, '\0');
  const long length = syscall(SYS_readlinkat, AT_FDCWD, link.c_str(), path.data(), path.size());
  path.resize(static_cast<size_t>(std::max(0L, length)));
  return path;
}

std::string PathOf(int folder, const char* path) {
  if (*path == '/') return path;
  if (folder != AT_FDCWD) return PathOf(folder) + "/" + path;
  char working[4096];
  return std::string(getcwd(working, sizeof(working)) == nullptr ? "" : working) + "/" + path;
}

long OpenAt(int folder, const char* path, int flags, mode_t mode) {
  const Call open = [&] { return syscall(SYS_openat, folder, path, flags, mode); };
  const bool changes = (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_ACCMODE) != O_RDONLY;
  if (!IsWatching() || !changes) return open();
  const std::string where = PathOf(folder, path);
  if (!IsWatched(where)) return open();
  if (access(where.c_str(), F_OK) != 0) {
    return Operate("create", where, [&] {
      const long fd = open();
      if (fd >= 0 && Lost() != nullptr) Lost()->Created(where);
      return fd;
    });
  }
  return Operate((flags & O_TRUNC) != 0 ? "truncate" : "open", where, [&] {
    if (Lost() != nullptr && (flags & O_TRUNC) != 0) {
      const long fd = syscall(SYS_openat, AT_FDCWD, where.c_str(), O_RDWR | O_CLOEXEC, 0);
      if (fd >= 0) Lost()->WillTruncate(static_cast<int>(fd), 0);
      syscall(SYS_close, fd);
    }
    return open();
  });
}

// write(fd, bytes) as `call(bytes)`; offset -1: where the descriptor stands.
long Write(int fd, size_t bytes, off_t offset, const std::function<long(size_t)>& call) {
  const Call whole = [&] { return call(bytes); };
  if (!IsWatching()) return whole();
  const std::string path = PathOf(fd);
  if (!IsWatched(path)) return whole();
  return Operate(
      "write", path,
      [&] {
        if (Lost() != nullptr) Lost()->WillWrite(fd, offset, bytes);
        return whole();
      },
      [&] { return bytes < 2 ? 0 : call(bytes / 2); });
}

long WriteParts(int fd, const iovec* parts, int count, off_t offset) {
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    bytes.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  }
  return Write(fd, bytes.size(), offset, [&](size_t size) {
    return offset < 0 ? syscall(SYS_write, fd, bytes.data(), size)
                      : syscall(SYS_pwrite64, fd, bytes.data(), size, offset);
  });
}

// Something without halves that is done to an open file.
long OnFile(const char* name, int fd, const Call& whole, const std::function<void()>& before) {
  if (!IsWatching()) return whole();
  const std::string path = PathOf(fd);
  if (!IsWatched(path)) return whole();
  return Operate(name, path, [&] {
    if (Lost() != nullptr) before();
    return whole();
  });
}

long Truncate(int fd, off_t size) {
  return OnFile(
      "truncate", fd, [&] { return syscall(SYS_ftruncate, fd, size); },
      [&] { Lost()->WillTruncate(fd, size); });
}

long Sync(const char* name, int fd, long number) {
  if (!IsWatching()) return syscall(number, fd);
  const std::string path = PathOf(fd);
  if (!IsWatched(path)) return syscall(number, fd);
  return Operate(name, path, [&] {
    const long result = syscall(number, fd);
    if (result == 0 && Lost() != nullptr) Lost()->Synced(fd);
    return result;
  });
}

long RenameAt(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  const std::string source = PathOf(from_folder, from), target = PathOf(to_folder, to);
  const Call rename = [&] {
    return syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
  };
  if (!IsWatched(target)) return rename();
  return Operate("rename", target, [&] {
    return Lost() != nullptr ? Lost()->Rename(source, target, flags) : rename();
  });
}

long UnlinkAt(int folder, const char* path, int flags) {
  const std::string where = PathOf(folder, path);
  const Call unlink = [&] { return syscall(SYS_unlinkat, folder, path, flags); };
  if (!IsWatched(where)) return unlink();
  return Operate("remove", where, [&] {
    return Lost() != nullptr ? Lost()->Remove(where, (flags & AT_REMOVEDIR) != 0) : unlink();
  });
}

// mkdir and link: a name appears.
long MakeName(const char* name, const std::string& where, const Call& make) {
  if (!IsWatched(where)) return make();
  return Operate(name, where, [&] {
    const long result = make();
    if (result == 0 && Lost() != nullptr) Lost()->Created(where);
    return result;
  });
}

long MakeFolder(int folder, const char* path, mode_t mode) {
  return MakeName("mkdir", PathOf(folder, path),
                  [&] { return syscall(SYS_mkdirat, folder, path, mode); });
}

// Fills the pattern's XXXXXX, `after` bytes before its end, until `make` finds nothing there.
int MakeTemporary(char* pattern, int after, const std::function<int()>& make) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz012345";  // 32
  char* random = pattern + strlen(pattern) - after - 6;
  for (;;) {
    if (getrandom(random, 6, 0) != 6) return -1;
    for (int i = 0; i < 6; ++i) random[i] = kLetters[static_cast<unsigned char>(random[i]) % 32];
    const int made = make();
    if (made >= 0 || errno != EEXIST) return made;
  }
}

}  // namespace
}  // namespace fluke::faults

// What libc is asked for. Exceptions as its headers declare them.
using namespace fluke::faults;  // NOLINT: the functions below must be global

extern "C" {

#define MODE_OF(flags)                             \
  mode_t mode = 0;                                 \
  if (((flags)&O_CREAT) != 0) {                    \
    va_list list;                                  \
    va_start(list, flags);                         \
    mode = static_cast<mode_t>(va_arg(list, int)); \
    va_end(list);                                  \
  }

int open(const char* path, int flags, ...) {
  MODE_OF(flags)
  return static_cast<int>(OpenAt(AT_FDCWD, path, flags, mode));
}
int open64(const char* path, int flags, ...) {
  MODE_OF(flags)
  return static_cast<int>(OpenAt(AT_FDCWD, path, flags, mode));
}
int openat(int folder, const char* path, int flags, ...) {
  MODE_OF(flags)
  return static_cast<int>(OpenAt(folder, path, flags, mode));
}
int openat64(int folder, const char* path, int flags, ...) {
  MODE_OF(flags)
  return static_cast<int>(OpenAt(folder, path, flags, mode));
}
// Called by programs that were compiled with _FORTIFY_SOURCE.
int __open_2(const char* path, int flags) {
  return static_cast<int>(OpenAt(AT_FDCWD, path, flags, 0));
}
int __open64_2(const char* path, int flags) { return __open_2(path, flags); }
int __openat_2(int folder, const char* path, int flags) {
  return static_cast<int>(OpenAt(folder, path, flags, 0));
}
int __openat64_2(int folder, const char* path, int flags) {
  return __openat_2(folder, path, flags);
}
int creat(const char* path, mode_t mode) {
  return static_cast<int>(OpenAt(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode));
}
int creat64(const char* path, mode_t mode) { return creat(path, mode); }

// std::ofstream opens with fopen and then writes to the descriptor.
FILE* fopen(const char* path, const char* mode) {
  int flags = strchr(mode, '+') != nullptr ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY;
  if (*mode == 'w') flags |= O_CREAT | O_TRUNC;
  if (*mode == 'a') flags |= O_CREAT | O_APPEND;
  if (strchr(mode, 'e') != nullptr) flags |= O_CLOEXEC;
  if (strchr(mode, 'x') != nullptr) flags |= O_EXCL;
  const int fd = static_cast<int>(OpenAt(AT_FDCWD, path, flags, 0666));
  return fd < 0 ? nullptr : fdopen(fd, mode);
}
FILE* fopen64(const char* path, const char* mode) { return fopen(path, mode); }

ssize_t write(int fd, const void* bytes, size_t size) {
  return Write(fd, size, -1, [&](size_t part) { return syscall(SYS_write, fd, bytes, part); });
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  return Write(fd, size, offset,
               [&](size_t part) { return syscall(SYS_pwrite64, fd, bytes, part, offset); });
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  return pwrite(fd, bytes, size, offset);
}
ssize_t writev(int fd, const iovec* parts, int count) { return WriteParts(fd, parts, count, -1); }
ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
  return WriteParts(fd, parts, count, offset);
}
ssize_t pwritev64(int fd, const iovec* parts, int count, off64_t offset) {
  return WriteParts(fd, parts, count, offset);
}
// Copies inside the kernel are refused, so that the caller falls back on write.
ssize_t sendfile(int to, int from, off_t* offset, size_t size) noexcept {
  if (!IsWatched(PathOf(to))) return syscall(SYS_sendfile, to, from, offset, size);
  errno = EINVAL;
  return -1;
}
ssize_t sendfile64(int to, int from, off64_t* offset, size_t size) noexcept {
  return sendfile(to, from, offset, size);
}
ssize_t copy_file_range(int from, off64_t* from_offset, int to, off64_t* to_offset, size_t size,
                        unsigned flags) {
  if (!IsWatched(PathOf(to))) {
    return syscall(SYS_copy_file_range, from, from_offset, to, to_offset, size, flags);
  }
  errno = EINVAL;
  return -1;
}

int ftruncate(int fd, off_t size) noexcept { return static_cast<int>(Truncate(fd, size)); }
int ftruncate64(int fd, off64_t size) noexcept { return ftruncate(fd, size); }
int truncate(const char* path, off_t size) noexcept {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const int result = ftruncate(fd, size);
  close(fd);
  return result;
}
int truncate64(const char* path, off64_t size) noexcept { return truncate(path, size); }
int fallocate(int fd, int mode, off_t offset, off_t size) {
  return static_cast<int>(OnFile(
      "write", fd, [&] { return syscall(SYS_fallocate, fd, mode, offset, size); },
      [&] { Lost()->WillWrite(fd, offset, static_cast<size_t>(size)); }));
}
int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
  return fallocate(fd, mode, offset, size);
}
int posix_fallocate(int fd, off_t offset, off_t size) {
  return fallocate(fd, 0, offset, size) == 0 ? 0 : errno;
}
int posix_fallocate64(int fd, off64_t offset, off64_t size) {
  return posix_fallocate(fd, offset, size);
}

int fsync(int fd) { return static_cast<int>(Sync("fsync", fd, SYS_fsync)); }
int fdatasync(int fd) { return static_cast<int>(Sync("fdatasync", fd, SYS_fdatasync)); }

int rename(const char* from, const char* to) noexcept {
  return static_cast<int>(RenameAt(AT_FDCWD, from, AT_FDCWD, to, 0));
}
int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  return static_cast<int>(RenameAt(from_folder, from, to_folder, to, 0));
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  return static_cast<int>(RenameAt(from_folder, from, to_folder, to, flags));
}

int unlink(const char* path) noexcept { return static_cast<int>(UnlinkAt(AT_FDCWD, path, 0)); }
int unlinkat(int folder, const char* path, int flags) noexcept {
  return static_cast<int>(UnlinkAt(folder, path, flags));
}
int rmdir(const char* path) noexcept {
  return static_cast<int>(UnlinkAt(AT_FDCWD, path, AT_REMOVEDIR));
}
int remove(const char* path) noexcept {
  struct stat info {};
  if (lstat(path, &info) != 0) return -1;
  return S_ISDIR(info.st_mode) ? rmdir(path) : unlink(path);
}

int mkdir(const char* path, mode_t mode) noexcept {
  return static_cast<int>(MakeFolder(AT_FDCWD, path, mode));
}
int mkdirat(int folder, const char* path, mode_t mode) noexcept {
  return static_cast<int>(MakeFolder(folder, path, mode));
}
char* mkdtemp(char* pattern) noexcept {
  return MakeTemporary(pattern, 0, [&] { return mkdir(pattern, 0700); }) < 0 ? nullptr : pattern;
}
int mkostemps(char* pattern, int after, int flags) {
  return MakeTemporary(pattern, after, [&] {
    return static_cast<int>(OpenAt(AT_FDCWD, pattern, O_RDWR | O_CREAT | O_EXCL | flags, 0600));
  });
}
int mkostemp(char* pattern, int flags) { return mkostemps(pattern, 0, flags); }
int mkstemp(char* pattern) { return mkostemps(pattern, 0, 0); }
int mkstemp64(char* pattern) { return mkostemps(pattern, 0, 0); }

int link(const char* from, const char* to) noexcept {
  return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}
int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) noexcept {
  return static_cast<int>(MakeName("link", PathOf(to_folder, to), [&] {
    return syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
  }));
}

}  // extern "C"
