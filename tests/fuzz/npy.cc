// npy: both readers take the same float32 matrices, and read the same values.
#include "common/npy.h"

#include <cstring>

#include "common/files.h"
#include "tests/fuzz/fuzz.h"

namespace fluke::fuzz {
namespace {

std::string Npy(const std::string& header, const std::string& values, char major = 1) {
  const auto length = static_cast<uint16_t>(header.size());
  std::string bytes = "\x93NUMPY";
  bytes += major;
  bytes += '\0';
  bytes += {static_cast<char>(length & 255), static_cast<char>(length >> 8)};
  if (major > 1) bytes += {'\0', '\0'};
  return bytes + header + values;
}

}  // namespace

std::vector<std::string> Seeds() {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const std::filesystem::path path = FileOf("", "seed.npy");
  WriteNpy(path, 2, 3, values);
  return {ReadFile(path),
          Npy("{'descr': '<f8', 'fortran_order': True, 'shape': (1, 2), }", std::string(16, '\1')),
          Npy("{'descr': '<f2', 'fortran_order': False, 'shape': (3L,)}", std::string(6, '\2'), 2),
          Npy("{\"shape\": (0, 4), 'descr': '<f4', 'fortran_order': False}", "", 3)};
}

}  // namespace fluke::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fluke;  // NOLINT: a harness
  const auto path = fuzz::FileOf(fuzz::Text(data, size), "input.npy");
  Matrix matrix;
  const bool taken = fuzz::Takes([&] { matrix = ReadNpy(path); });
  fuzz::Takes([&] {
    const MappedNpy mapped(path);
    fuzz::Require(taken && mapped.rows() == matrix.rows && mapped.cols() == matrix.cols,
                  "both readers take it");
    fuzz::Require(
        mapped.values().empty() || std::memcmp(mapped.values().data(), matrix.values.data(),
                                               mapped.values().size_bytes()) == 0,
        "the same values");
  });
  return 0;
}
