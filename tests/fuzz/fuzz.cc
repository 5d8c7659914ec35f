#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "common/files.h"

namespace fluke::fuzz {
namespace {

namespace fs = std::filesystem;

// Of this process, in memory where there is such a folder, and removed with it.
class ScratchFolder {
 public:
  ScratchFolder() {
    const fs::path memory = "/dev/shm";
    const fs::path base = fs::is_directory(memory) ? memory : fs::temp_directory_path();
    std::string path = (base / "fluke_fuzz_XXXXXX").string();
    Require(mkdtemp(path.data()) != nullptr, "a scratch folder");
    path_ = path;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

fs::path FileOf(std::string_view bytes, const std::string& name) {
  static const ScratchFolder folder;
  const fs::path path = folder.path() / name;
  std::FILE* file = std::fopen(path.c_str(), "wb");
  Require(file != nullptr, "a scratch file");
  const size_t written = std::fwrite(bytes.data(), 1, bytes.size(), file);
  Require(std::fclose(file) == 0 && written == bytes.size(), "a scratch file");
  return path;
}

}  // namespace fluke::fuzz
