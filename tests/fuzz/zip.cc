// zip: every entry is read, none beyond the bound.
#include <zip.h>

#include "common/files.h"
#include "common/zip_archive.h"
#include "tests/fuzz/fuzz.h"

namespace fluke::fuzz {

std::vector<std::string> Seeds() {
  const auto path = FileOf("", "seed.zip");
  const std::string text(3000, 'x'), csv = "path,identity\na.jpg,w\n";
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  const auto add = [&](const char* name, const std::string& bytes) {
    zip_file_add(archive, name, zip_source_buffer(archive, bytes.data(), bytes.size(), 0), 0);
  };
  add("whale/a.jpg", text);
  add("manifest.csv", csv);
  zip_dir_add(archive, "empty", 0);
  Require(zip_close(archive) == 0, "a zip to start from");
  return {ReadFile(path)};
}

}  // namespace fluke::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fluke;  // NOLINT: a harness
  constexpr uint64_t kMostBytes = 1 << 16;
  const auto path = fuzz::FileOf(fuzz::Text(data, size), "input.zip");
  fuzz::Takes([&] {
    const ZipArchive archive(path);
    for (const std::string& name : archive.names()) {
      fuzz::Takes([&] {
        fuzz::Require(archive.Read(name, kMostBytes).size() <= kMostBytes, "no more than asked");
      });
    }
  });
  return 0;
}
