// A photograph of a gallery as a file in the server's folder of photographs, and never any other
// file: item paths come from clients.
#pragma once

#include <cstdint>
#include <string>

namespace fluke::serve {

// Owns the open file. Not thread-safe.
class PhotoFile {
 public:
  // Throws NotFound, without naming the folder, where there is no regular file of this relative
  // path, or where it leads out of the folder: by .., a leading /, or a symbolic link.
  PhotoFile(const std::string& folder, const std::string& path);
  ~PhotoFile();
  PhotoFile(const PhotoFile&) = delete;
  PhotoFile& operator=(const PhotoFile&) = delete;

  // Changes when the file does.
  const std::string& stamp() const { return stamp_; }
  // Throws ResourceExhausted for more than `max_bytes`.
  std::string Read(uint64_t max_bytes) const;

 private:
  int fd_ = -1;
  uint64_t size_ = 0;
  std::string stamp_;
};

}  // namespace fluke::serve
