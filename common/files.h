// Files that must survive: written to a temporary name, fsync'ed, renamed, directory fsync'ed. A
// file written through here is complete or absent. Every function throws fluke::Error naming the
// path (RESOURCE_EXHAUSTED when the disk is full).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace fluke {

// `doing`: "cannot write"; `outcome`: what became of the file, or "".
[[noreturn]] void ThrowErrno(int error, std::string_view doing, const std::filesystem::path& path,
                             std::string_view outcome = "");

// The whole file. `max_bytes` bounds what a damaged or hostile file can make us allocate.
std::string ReadFile(const std::filesystem::path& path, uint64_t max_bytes = uint64_t{1} << 40);

// Replaces `path` atomically and durably.
void WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes);

// A file that appears under its name only when Commit() returns; destroyed before that, nothing is
// left behind. Not thread-safe; the caller owns it.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void Append(const void* data, size_t bytes);
  void Append(std::string_view bytes) { Append(bytes.data(), bytes.size()); }
  // Overwrites bytes already appended, for headers that are known last.
  void WriteAt(uint64_t offset, std::string_view bytes);
  uint64_t size() const { return size_; }
  void Commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

// Removes the temporary files that killed writers of `path` left. Nobody may be writing it.
void RemoveAbandoned(const std::filesystem::path& path);

// A folder whose files appear all at once: write them below path(), then Commit() puts the folder
// in the place of `target` in one step. Files of the old folder whose names are not among the new
// ones are kept. Destroyed before Commit(), `target` is as it was. Not thread-safe; the caller owns
// it.
class AtomicFolder {
 public:
  explicit AtomicFolder(const std::filesystem::path& target);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const std::filesystem::path& path() const { return temporary_; }
  void Commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
};

// Makes the folder, and those above it, unless they are there. Durable when it returns.
void MakeFolder(const std::filesystem::path& folder);

// Makes the directory entries of `folder` durable (after a rename or create in it).
void SyncDirectory(const std::filesystem::path& folder);

// fsyncs every regular file below `folder`, then the folders.
void SyncTree(const std::filesystem::path& folder);

// Read-only memory map of a whole file. Movable; the bytes live as long as the object.
class MappedFile {
 public:
  MappedFile() = default;  // of no bytes
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

  // Takes these of its bytes out of the process's memory after a pass over more than one wants to
  // keep there. They are mapped again when they are used, without a read while the system has them
  // in its cache.
  void Release(std::span<const std::byte> bytes) const;
  void Release() const { Release(bytes()); }

 private:
  friend class ScratchFile;
  MappedFile(int fd, size_t bytes, const std::filesystem::path& path);

  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Bytes that memory has no room for, in a file without a name: gone with the object or the process,
// whatever ends it. Movable; not thread-safe; the caller owns it.
class ScratchFile {
 public:
  // `path`: what it is for, in errors and in its temporary name, which is seen for a moment only;
  // of a process that dies just then, RemoveAbandoned(path) clears it away.
  explicit ScratchFile(std::filesystem::path path);
  ~ScratchFile();
  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&& other) noexcept;

  void WriteAt(uint64_t offset, const void* data, size_t bytes);
  // What has been written so far; independent of this object from then on.
  MappedFile Map() const;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace fluke
