// Reading a zip archive from several threads, without trusting the sizes in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"

struct zip;

namespace fluke {

// Thread-safe: libzip's handles are not, so each read takes one from a pool that grows to the
// number of threads reading at once.
class ZipArchive {
 public:
  // Throws NotFound or DataLoss naming the archive.
  explicit ZipArchive(std::filesystem::path path);
  ~ZipArchive();

  const std::filesystem::path& path() const { return path_; }
  // Files (no folders), sorted; as in the archive, with '/'.
  const std::vector<std::string>& names() const { return names_; }
  // Throws NotFound, DataLoss (damaged, encrypted) or InvalidArgument (larger than max_bytes)
  // naming "archive.zip!entry".
  std::string Read(const std::string& name, uint64_t max_bytes) const;

 private:
  struct Discard {
    void operator()(zip* archive) const;
  };
  using Handle = std::unique_ptr<zip, Discard>;

  Handle Open() const;
  Handle Take() const;

  std::filesystem::path path_;
  std::vector<std::string> names_;
  mutable std::mutex mutex_;
  mutable std::vector<Handle> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fluke
