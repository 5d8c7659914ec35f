#include "tests/faults/lost_writes.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace fluke::faults {
namespace {

constexpr off_t kSectorBytes = 512;  // that a disk writes whole or not at all

std::pair<dev_t, ino_t> InodeOf(int fd) {
  struct stat info {};
  fstat(fd, &info);
  return {info.st_dev, info.st_ino};
}

int OpenDirectly(const std::string& path, int flags) {
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path.c_str(), flags | O_CLOEXEC, 0));
}

bool IsEmpty(const std::string& folder) {
  int entries = 0;
  if (DIR* listing = opendir(folder.c_str())) {
    while (readdir(listing) != nullptr) ++entries;
    closedir(listing);
  }
  return entries <= 2;  // . and ..
}

std::string ProcPath(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

}  // namespace

LostWrites::LostWrites(std::string aside, Loss loss) : aside_(std::move(aside)), loss_(loss) {
  syscall(SYS_mkdir, aside_.c_str(), 0700);
  struct rlimit files {};  // folders stay open as long as they have names to take back
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

void LostWrites::WillWrite(int fd, off_t offset, size_t bytes) {
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return;
  const Inode file = {info.st_dev, info.st_ino};
  if (offset < 0) {
    const bool appends = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
    offset = appends ? info.st_size : lseek(fd, 0, SEEK_CUR);
  }
  auto [open, is_new] = open_files_.try_emplace(file, -1);
  if (is_new) open->second = OpenDirectly(ProcPath(fd), O_RDWR);
  ContentChange change{.file = file,
                       .fd = open->second,
                       .size = info.st_size,
                       .offset = offset,
                       .length = bytes,
                       .bytes = {}};
  if (offset < info.st_size) {
    change.bytes.resize(std::min(bytes, static_cast<size_t>(info.st_size - offset)));
    Check(pread(change.fd, change.bytes.data(), change.bytes.size(), offset), "read");
  }
  contents_.push_back(std::move(change));
}

void LostWrites::WillTruncate(int fd, off_t size) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return;
  WillWrite(fd, size, static_cast<size_t>(std::max<off_t>(0, info.st_size - size)));
}

void LostWrites::Created(const std::string& path) {
  if (!names()) return;
  name_changes_.push_back({.kind = NameChange::Kind::kCreated, .place = PlaceOf(path)});
}

long LostWrites::Rename(const std::string& from, const std::string& to, unsigned flags) {
  const auto rename = [&] {
    return syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags);
  };
  if (!names()) return rename();
  const bool exchanges = (flags & RENAME_EXCHANGE) != 0;
  NameChange change{.kind = exchanges ? NameChange::Kind::kExchanged : NameChange::Kind::kRenamed,
                    .place = PlaceOf(to),
                    .from = PlaceOf(from)};
  struct stat target {};
  if (!exchanges && lstat(to.c_str(), &target) == 0) {
    change.replaced_folder = S_ISDIR(target.st_mode);
    if (!change.replaced_folder) {
      change.kept = NextKept();
      Check(syscall(SYS_linkat, AT_FDCWD, to.c_str(), AT_FDCWD, change.kept.c_str(), 0), "link");
    }
  }
  const long result = rename();
  if (result == 0) name_changes_.push_back(std::move(change));
  return result;
}

long LostWrites::Remove(const std::string& path, bool is_folder) {
  const int flags = is_folder ? AT_REMOVEDIR : 0;
  if (!names()) return syscall(SYS_unlinkat, AT_FDCWD, path.c_str(), flags);
  NameChange change{.kind = NameChange::Kind::kRemoved, .place = PlaceOf(path)};
  change.kept = NextKept();
  if (is_folder && !IsEmpty(path)) {
    errno = ENOTEMPTY;
    return -1;
  }
  // Moved, not removed: what was in a folder belongs there again if it comes back.
  const long result =
      syscall(SYS_renameat2, AT_FDCWD, path.c_str(), AT_FDCWD, change.kept.c_str(), 0);
  if (result == 0) name_changes_.push_back(std::move(change));
  return result;
}

void LostWrites::Synced(int fd) {
  const Inode inode = InodeOf(fd);
  std::erase_if(contents_, [&](const ContentChange& change) { return change.file == inode; });
  std::erase_if(name_changes_,
                [&](const NameChange& change) { return change.place.inode == inode; });
}

void LostWrites::TakeBack() {
  std::for_each(contents_.rbegin(), contents_.rend(),
                [&](const ContentChange& change) { TakeBack(change); });
  std::for_each(name_changes_.rbegin(), name_changes_.rend(),
                [&](const NameChange& change) { TakeBack(change); });
}

void LostWrites::TakeBack(const ContentChange& change) const {
  const auto write = [&](const std::string& bytes, off_t offset) {
    Check(syscall(SYS_pwrite64, change.fd, bytes.data(), bytes.size(), offset), "write");
  };
  if (loss_ == Loss::kSecondHalves) {
    std::string before = change.bytes;
    before.resize(change.length, '\0');
    const auto half = change.offset + static_cast<off_t>(change.length) / 2;
    const off_t kept = std::max(change.offset, half / kSectorBytes * kSectorBytes);
    write(before.substr(static_cast<size_t>(kept - change.offset)), kept);
    return;
  }
  write(change.bytes, change.offset);
  Check(syscall(SYS_ftruncate, change.fd, change.size), "truncate");
}

void LostWrites::TakeBack(const NameChange& change) {
  const Place& at = change.place;
  const auto move = [&](int from, const std::string& from_name, int to, const std::string& to_name,
                        unsigned flags = 0) {
    Check(syscall(SYS_renameat2, from, from_name.c_str(), to, to_name.c_str(), flags), "rename");
  };
  switch (change.kind) {
    case NameChange::Kind::kCreated:
      move(at.folder, at.name, AT_FDCWD, NextKept());
      break;
    case NameChange::Kind::kExchanged:
      move(at.folder, at.name, change.from.folder, change.from.name, RENAME_EXCHANGE);
      break;
    case NameChange::Kind::kRenamed:
      move(at.folder, at.name, change.from.folder, change.from.name);
      if (change.replaced_folder) {
        Check(syscall(SYS_mkdirat, at.folder, at.name.c_str(), 0777), "mkdir");
      }
      [[fallthrough]];
    case NameChange::Kind::kRemoved:
      if (!change.kept.empty()) move(AT_FDCWD, change.kept, at.folder, at.name);
      break;
  }
}

LostWrites::Place LostWrites::PlaceOf(const std::string& path) {
  const size_t slash = path.find_last_of('/', path.find_last_not_of('/'));
  const std::string folder = path.substr(0, std::max<size_t>(slash, 1));
  const int fd = OpenDirectly(folder, O_PATH | O_DIRECTORY);
  if (fd < 0) return {};
  const Inode inode = InodeOf(fd);
  const auto [open, is_new] = open_folders_.try_emplace(inode, fd);
  if (!is_new) close(fd);
  return {.folder = open->second, .inode = inode, .name = path.substr(slash + 1)};
}

std::string LostWrites::NextKept() { return aside_ + "/" + std::to_string(kept_count_++); }

// The layer itself must not fail unseen.
void LostWrites::Check(long result, const char* what) const {
  if (result >= 0) return;
  fprintf(stderr, "fault layer: cannot %s to take back what was not fsync'ed: %s\n", what,
          strerror(errno));
  _exit(99);
}

}  // namespace fluke::faults
