#include "common/files.h"

#include <fcntl.h>
#include <stdio.h>  // renameat2
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "common/error.h"

namespace fluke {
namespace {

constexpr std::string_view kNothingReplaced = "nothing was replaced";

// A descriptor that is closed when its scope ends.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

int Open(const std::filesystem::path& path, int flags, mode_t mode = 0) {
  int fd;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// Some network file systems cannot fsync a folder; they order its entries themselves.
bool Sync(int fd) { return fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP; }

std::filesystem::path FolderOf(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.parent_path();
  return folder.empty() ? "." : folder;
}

// Unique among this machine's live processes and within this one; O_EXCL settles the rest.
constexpr std::string_view kTemporaryEnd = ".tmp";
std::string TemporaryPrefix(const std::filesystem::path& path) {
  return StrCat(".", path.filename().string(), ".");
}
std::filesystem::path TemporaryName(const std::filesystem::path& path) {
  static std::atomic<uint64_t> counter = 0;
  return FolderOf(path) /
         StrCat(TemporaryPrefix(path), getpid(), ".", counter.fetch_add(1), kTemporaryEnd);
}

void WriteAll(int fd, const void* data, size_t bytes, uint64_t offset,
              const std::filesystem::path& path) {
  const char* p = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = pwrite(fd, p, bytes, static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      ThrowErrno(errno, "cannot write", path, kNothingReplaced);
    }
    p += written;
    bytes -= static_cast<size_t>(written);
    offset += static_cast<uint64_t>(written);
  }
}

// Each gets the other's name.
void SwapFolders(const std::filesystem::path& folder, const std::filesystem::path& target) {
  if (renameat2(AT_FDCWD, folder.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) return;
  const std::filesystem::path aside = TemporaryName(target);
  // Some network file systems know no exchange: there is a moment without a target.
  if (errno == EINVAL && rename(target.c_str(), aside.c_str()) == 0 &&
      rename(folder.c_str(), target.c_str()) == 0 && rename(aside.c_str(), folder.c_str()) == 0) {
    return;
  }
  ThrowErrno(errno, "cannot put a finished folder in the place of", target);
}

// Moves what `to` has no namesake of.
void MoveStrangers(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::vector<std::filesystem::path> strangers;
  for (const auto& entry : std::filesystem::directory_iterator(from)) {
    if (!exists(symlink_status(to / entry.path().filename()))) strangers.push_back(entry.path());
  }
  for (const std::filesystem::path& stranger : strangers) {
    if (rename(stranger.c_str(), (to / stranger.filename()).c_str()) != 0) {
      ThrowErrno(errno, "cannot move to its new folder", stranger);
    }
  }
}

struct stat StatOf(int fd, const std::filesystem::path& path) {
  struct stat info;
  if (fstat(fd, &info) != 0) ThrowErrno(errno, "cannot read", path);
  if (S_ISDIR(info.st_mode)) InvalidArgument(path.string(), ": is a folder, expected a file");
  return info;
}

}  // namespace

void ThrowErrno(int error, std::string_view doing, const std::filesystem::path& path,
                std::string_view outcome) {
  // A file-size limit (ulimit -f, quota) is as good as a full disk.
  const absl::StatusCode code = error == EFBIG     ? absl::StatusCode::kResourceExhausted
                                : error == ENOTDIR ? absl::StatusCode::kNotFound
                                                   : absl::ErrnoToStatusCode(error);
  Throw(code, doing, " ", path.string(), ": ", std::generic_category().message(error),
        std::string_view(outcome.empty() ? "" : "; "), outcome);
}

std::string ReadFile(const std::filesystem::path& path, uint64_t max_bytes) {
  const Descriptor file(Open(path, O_RDONLY));
  if (file.get() < 0) ThrowErrno(errno, "cannot open", path);
  const auto refuse = [&](uint64_t bytes, std::string_view more) {
    InvalidArgument(path.string(), ": ", bytes, more, " bytes, expected at most ", max_bytes);
  };
  const uint64_t expected = static_cast<uint64_t>(StatOf(file.get(), path).st_size);
  if (expected > max_bytes) refuse(expected, "");

  // Pipes and /proc say 0 bytes, and a file may grow: read until the end, whatever was expected.
  constexpr size_t kLeastChunk = 64 << 10;
  std::string bytes;
  size_t size = 0;
  for (;;) {
    if (size == bytes.size()) {
      bytes.resize(size == 0 ? std::max<size_t>(expected + 1, kLeastChunk)
                             : size + std::max(size / 2, kLeastChunk));
    }
    const ssize_t count = read(file.get(), bytes.data() + size, bytes.size() - size);
    if (count < 0) {
      if (errno == EINTR) continue;
      ThrowErrno(errno, "cannot read", path);
    }
    if (count == 0) break;
    size += static_cast<size_t>(count);
    if (size > max_bytes) refuse(max_bytes, " or more");
  }
  bytes.resize(size);
  return bytes;
}

void WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.Append(bytes);
  file.Commit();
}

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  if (!path_.has_filename()) InvalidArgument("'", path_.string(), "': expected the name of a file");
  struct stat existing;
  const bool replaces = stat(path_.c_str(), &existing) == 0;
  if (replaces && S_ISDIR(existing.st_mode)) {
    InvalidArgument(path_.string(), ": is a folder, expected the name of a file");
  }
  do {
    temporary_ = TemporaryName(path_);
    fd_ = Open(temporary_, O_RDWR | O_CREAT | O_EXCL, 0666);
  } while (fd_ < 0 && errno == EEXIST);
  if (fd_ < 0) {
    const int error = errno;
    if (error == ENOENT) {
      NotFound("cannot create ", path_.string(), ": there is no folder ", FolderOf(path_).string());
    }
    ThrowErrno(error, "cannot create", path_, kNothingReplaced);
  }
  // A private file stays private when it is replaced. Best effort: not every file system has modes.
  if (replaces && fchmod(fd_, existing.st_mode & 0777) != 0) errno = 0;
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::Append(const void* data, size_t bytes) {
  if (fd_ < 0) Throw(absl::StatusCode::kFailedPrecondition, path_.string(), ": committed already");
  WriteAll(fd_, data, bytes, size_, path_);
  size_ += bytes;
}

void AtomicFile::WriteAt(uint64_t offset, std::string_view bytes) {
  if (fd_ < 0) Throw(absl::StatusCode::kFailedPrecondition, path_.string(), ": committed already");
  if (offset > size_ || bytes.size() > size_ - offset) {
    Throw(absl::StatusCode::kOutOfRange, path_.string(), ": bytes ", offset, " to ",
          offset + bytes.size(), " lie behind the ", size_, " written so far");
  }
  WriteAll(fd_, bytes.data(), bytes.size(), offset, path_);
}

void AtomicFile::Commit() {
  if (fd_ < 0) Throw(absl::StatusCode::kFailedPrecondition, path_.string(), ": committed already");
  if (fsync(fd_) != 0) ThrowErrno(errno, "cannot write", path_, kNothingReplaced);
  // A full disk behind a network shows only at close.
  if (close(std::exchange(fd_, -1)) != 0 && errno != EINTR) {
    ThrowErrno(errno, "cannot write", path_, kNothingReplaced);
  }
  if (rename(temporary_.c_str(), path_.c_str()) != 0) {
    ThrowErrno(errno, "cannot rename a finished file to", path_, kNothingReplaced);
  }
  temporary_.clear();
  SyncDirectory(FolderOf(path_));
}

void RemoveAbandoned(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> abandoned;
  std::error_code error;
  for (std::filesystem::directory_iterator it(FolderOf(path), error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with(TemporaryPrefix(path)) && name.ends_with(kTemporaryEnd)) {
      abandoned.push_back(it->path());
    }
  }
  for (const std::filesystem::path& file : abandoned) std::filesystem::remove(file, error);
}

AtomicFolder::AtomicFolder(const std::filesystem::path& target)
    : target_((std::filesystem::weakly_canonical(target) / "").lexically_normal().parent_path()) {
  std::error_code error;
  if (std::filesystem::exists(target_, error) && !std::filesystem::is_directory(target_, error)) {
    InvalidArgument(target.string(), ": is a file, expected the name of a folder");
  }
  MakeFolder(FolderOf(target_));
  do {
    temporary_ = TemporaryName(target_);
    error = {};
  } while (!std::filesystem::create_directory(temporary_, error) && !error);
  if (error) ThrowErrno(error.value(), "cannot create", temporary_);
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
}

void AtomicFolder::Commit() {
  if (temporary_.empty()) {
    Throw(absl::StatusCode::kFailedPrecondition, target_.string(), ": committed already");
  }
  SyncTree(temporary_);
  if (rename(temporary_.c_str(), target_.c_str()) == 0) {  // there was none, or an empty one
    temporary_.clear();
  } else {
    SwapFolders(temporary_, target_);
    // The old folder has the temporary name now, and is not removed before its strangers are safe.
    const std::filesystem::path old = std::exchange(temporary_, {});
    MoveStrangers(old, target_);
    temporary_ = old;
  }
  SyncDirectory(FolderOf(target_));
}

void MakeFolder(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  // From the folder upwards to the first that is there.
  std::vector<fs::path> missing;
  const fs::path whole = fs::absolute(folder / "").parent_path();
  for (fs::path each = whole; !fs::is_directory(each, ignored) && each.has_relative_path();
       each = each.parent_path()) {
    missing.push_back(each);
  }
  for (auto it = missing.rbegin(); it != missing.rend(); ++it) {
    if (mkdir(it->c_str(), 0777) == 0) continue;
    const int error = errno;
    if (!fs::is_directory(*it, ignored)) ThrowErrno(error, "cannot create the folder", *it);
  }
  // One that was there may have been made by a process that died before it came to this.
  if (missing.empty()) missing.push_back(whole);
  for (const fs::path& made : missing) SyncDirectory(made.parent_path());
}

void SyncDirectory(const std::filesystem::path& folder) {
  const Descriptor descriptor(Open(folder, O_RDONLY | O_DIRECTORY));
  if (descriptor.get() < 0) ThrowErrno(errno, "cannot open folder", folder);
  if (!Sync(descriptor.get())) ThrowErrno(errno, "cannot make durable the folder", folder);
}

void SyncTree(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> folders = {folder};
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const std::filesystem::file_status status = it->symlink_status(error);
    if (error) break;
    if (std::filesystem::is_directory(status)) {
      folders.push_back(it->path());
    } else if (std::filesystem::is_regular_file(status)) {
      const Descriptor file(Open(it->path(), O_RDONLY));
      if (file.get() < 0) ThrowErrno(errno, "cannot open", it->path());
      if (!Sync(file.get())) ThrowErrno(errno, "cannot make durable", it->path());
    }
  }
  if (error) ThrowErrno(error.value(), "cannot list folder", folder);
  // Deepest first: a folder's name is durable only after what it holds.
  for (auto it = folders.rbegin(); it != folders.rend(); ++it) SyncDirectory(*it);
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  const Descriptor file(Open(path, O_RDONLY));
  if (file.get() < 0) ThrowErrno(errno, "cannot open", path);
  const struct stat info = StatOf(file.get(), path);
  if (!S_ISREG(info.st_mode)) InvalidArgument(path.string(), ": expected a regular file");
  *this = MappedFile(file.get(), static_cast<size_t>(info.st_size), path);
}

MappedFile::MappedFile(int fd, size_t bytes, const std::filesystem::path& path) {
  if (bytes == 0) return;  // mmap refuses an empty range
  void* data = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) ThrowErrno(errno, "cannot map", path);
  data_ = static_cast<const std::byte*>(data);
  size_ = bytes;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void MappedFile::Release(std::span<const std::byte> bytes) const {
  static const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t begin = static_cast<size_t>(bytes.data() - data_) / page * page;
  const size_t end = static_cast<size_t>(bytes.data() - data_) + bytes.size();
  // Neighbours on the first and the last page lose nothing but their place. Best effort.
  if (begin < end) madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

ScratchFile::ScratchFile(std::filesystem::path path) : path_(std::move(path)) {
  std::filesystem::path name;
  do {
    name = TemporaryName(path_);
    fd_ = Open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
  } while (fd_ < 0 && errno == EEXIST);
  if (fd_ < 0) ThrowErrno(errno, "cannot create a scratch file for", path_);
  if (unlink(name.c_str()) != 0) {
    const int error = errno;
    unlink(name.c_str());  // what failed for a moment only shall leave nothing behind
    close(fd_);
    ThrowErrno(error, "cannot remove", name);
  }
}

ScratchFile::~ScratchFile() {
  if (fd_ >= 0) close(fd_);
}

ScratchFile::ScratchFile(ScratchFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      size_(std::exchange(other.size_, 0)) {}

ScratchFile& ScratchFile::operator=(ScratchFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

void ScratchFile::WriteAt(uint64_t offset, const void* data, size_t bytes) {
  WriteAll(fd_, data, bytes, offset, path_);
  size_ = std::max(size_, offset + bytes);
}

MappedFile ScratchFile::Map() const { return MappedFile(fd_, static_cast<size_t>(size_), path_); }

}  // namespace fluke
