// The idx format of MNIST, gzipped or not: big-endian magic 0 0 8 <dimensions>, the sizes as
// uint32, then bytes in C order. http://yann.lecun.com/exdb/mnist (only its unsigned-byte type).
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace fluke {

struct IdxArray {
  std::vector<int64_t> sizes;
  std::vector<uint8_t> values;  // product of sizes
};

// Throws DataLoss naming the file when it is damaged, truncated, longer than its header says, or
// claims more than it can hold.
IdxArray ReadIdx(const std::filesystem::path& path);

}  // namespace fluke
