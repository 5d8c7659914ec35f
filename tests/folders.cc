#include "tests/folders.h"

#include <cstdlib>

namespace fluke {

// The only file that is compiled with the folder's name: all others compile alike in every clone.
std::filesystem::path SourceFolder() { return FLUKE_SOURCE_DIR; }

std::filesystem::path DataFolder() {
  if (const char* set = std::getenv("FLUKE_DATA")) return set;
  return SourceFolder() / ".." / "shared" / "data";
}

}  // namespace fluke
