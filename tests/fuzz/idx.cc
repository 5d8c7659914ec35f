// idx, gzipped or not: as many values as the sizes say.
#include "common/idx.h"

#include <zlib.h>

#include <functional>
#include <numeric>

#include "common/files.h"
#include "tests/fuzz/fuzz.h"

namespace fluke::fuzz {

std::vector<std::string> Seeds() {
  const std::string labels({0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9});
  const std::string images({0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4});
  const auto path = FileOf("", "seed.gz");
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, images.data(), static_cast<unsigned>(images.size()));
  gzclose(file);
  return {labels, images, ReadFile(path)};
}

}  // namespace fluke::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fluke;  // NOLINT: a harness
  const auto path = fuzz::FileOf(fuzz::Text(data, size), "input-idx-ubyte.gz");
  fuzz::Takes([&] {
    const IdxArray array = ReadIdx(path);
    const int64_t expected =
        std::accumulate(array.sizes.begin(), array.sizes.end(), int64_t{1}, std::multiplies<>());
    fuzz::Require(static_cast<int64_t>(array.values.size()) == expected, "that many values");
  });
  return 0;
}
