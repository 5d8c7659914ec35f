// What a power failure takes: everything since the last fsync.
//
// The strict reading of POSIX: contents are durable by an fsync of their file, and a name (created,
// renamed, removed) by an fsync of the folder that it is in. Before each change the old bytes or
// the old name are put aside; an fsync forgets them; TakeBack() puts back what is left, last
// change first. A kernel may keep more than that, never less.
//
// Every call goes to the kernel directly, past the fault layer. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace fluke::faults {

class LostWrites {
 public:
  enum class Loss {
    kContentsAndNames,
    kContents,
    // Of each write the second half, from a sector on: zeros, or what was there. Files keep their
    // new size.
    kSecondHalves,
  };
  // `aside`: a folder on the same file system, made here, where removed files wait.
  LostWrites(std::string aside, Loss loss);

  // Call these before the change is made.
  void WillWrite(int fd, off_t offset, size_t bytes);  // offset -1: where the descriptor stands
  void WillTruncate(int fd, off_t size);

  void Created(const std::string& path);  // after it
  // In the place of the change; as the system calls of that name.
  long Rename(const std::string& from, const std::string& to, unsigned flags);
  long Remove(const std::string& path, bool is_folder);

  void Synced(int fd);
  void TakeBack();

 private:
  using Inode = std::pair<dev_t, ino_t>;
  struct ContentChange {
    Inode file;
    int fd;
    off_t size;  // before
    off_t offset;
    size_t length;      // of what is written
    std::string bytes;  // before
  };
  // A name in a folder, wherever that folder is moved.
  struct Place {
    int folder = -1;  // O_PATH
    Inode inode = {};
    std::string name;
  };
  struct NameChange {
    enum class Kind { kCreated, kRenamed, kExchanged, kRemoved };
    Kind kind;
    Place place;                   // of the name that is there now, or was removed
    Place from = {};               // kRenamed, kExchanged
    std::string kept = {};         // in `aside_`: what was removed or replaced; "" = nothing
    bool replaced_folder = false;  // an empty one
  };

  Place PlaceOf(const std::string& path);
  std::string NextKept();
  bool names() const { return loss_ == Loss::kContentsAndNames; }
  void TakeBack(const ContentChange& change) const;
  void TakeBack(const NameChange& change);
  void Check(long result, const char* what) const;

  std::string aside_;
  Loss loss_;
  int64_t kept_count_ = 0;
  std::map<Inode, int> open_files_, open_folders_;
  std::vector<ContentChange> contents_;
  std::vector<NameChange> name_changes_;
};

}  // namespace fluke::faults
