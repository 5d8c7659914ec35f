#include "common/idx.h"

#include <algorithm>
#include <array>
#include <memory>
#include <span>

#include <zlib.h>

#include "common/error.h"

namespace fluke {
namespace {

constexpr uint64_t kMaxInflation = 1032;  // of deflate: 258 bytes from 2 bits
constexpr uint64_t kMaxBytes = uint64_t{16} << 30;
constexpr int kMaxDimensions = 4;

struct GzClose {
  void operator()(gzFile_s* file) const { gzclose_r(file); }
};

// zlib reads plain files through the same calls.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& path)
      : path_(path), file_(gzopen(path.c_str(), "rb")) {
    if (!file_) NotFound(path, ": cannot open");
    gzbuffer(file_.get(), 1 << 18);
  }

  // Fewer than asked for only at the end of the file.
  size_t Read(std::span<uint8_t> bytes) {
    size_t done = 0;
    while (done < bytes.size()) {
      const auto want = static_cast<unsigned>(std::min<size_t>(bytes.size() - done, 1 << 20));
      const int got = gzread(file_.get(), bytes.data() + done, want);
      int error = Z_OK;
      const char* text = gzerror(file_.get(), &error);
      if (got < 0 || (error != Z_OK && error != Z_STREAM_END)) {
        DataLoss(path_, ": damaged or truncated gzip data: ", text);
      }
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  void ReadExactly(std::span<uint8_t> bytes) {
    const size_t got = Read(bytes);
    if (got < bytes.size()) {
      DataLoss(path_, ": truncated idx file: expected ", bytes.size(), " bytes more, found ", got);
    }
  }

 private:
  const std::filesystem::path& path_;
  std::unique_ptr<gzFile_s, GzClose> file_;
};

uint64_t ProductOf(const std::vector<int64_t>& sizes, const std::filesystem::path& path) {
  uint64_t product = 1;
  for (int64_t size : sizes) {
    product *= static_cast<uint64_t>(size);
    // sizes are below 2^32 and the bound below 2^34: no overflow
    if (product > kMaxBytes) DataLoss(path, ": its header claims more than ", kMaxBytes, " values");
  }
  return product;
}

}  // namespace

IdxArray ReadIdx(const std::filesystem::path& path) {
  Reader reader(path);
  std::array<uint8_t, 4> magic;
  reader.ReadExactly(magic);
  if (magic[0] != 0 || magic[1] != 0 || magic[3] < 1 || magic[3] > kMaxDimensions) {
    DataLoss(path, ": not an idx file (its first bytes are no idx magic)");
  }
  if (magic[2] != 0x08) {
    DataLoss(path, ": idx values of type ", int{magic[2]}, "; expected 8, unsigned bytes");
  }
  IdxArray array;
  for (int i = 0; i < magic[3]; ++i) {
    std::array<uint8_t, 4> size;
    reader.ReadExactly(size);
    array.sizes.push_back(int64_t{size[0]} << 24 | size[1] << 16 | size[2] << 8 | size[3]);
  }
  const uint64_t expected = ProductOf(array.sizes, path);
  const uint64_t file_bytes = std::filesystem::file_size(path);
  if (expected / kMaxInflation > file_bytes) {
    DataLoss(path, ": its header claims ", expected, " values, more than its ", file_bytes,
             " bytes can hold");
  }
  array.values.resize(expected);
  reader.ReadExactly(array.values);
  std::array<uint8_t, 1> more;
  if (reader.Read(more) != 0) {
    DataLoss(path, ": longer than the ", expected, " values its header claims");
  }
  return array;
}

}  // namespace fluke
