// NumPy .npy files, format version 1.0 to 3.0, little-endian float32 in C order ('<f4'; '<f8',
// '<f2' and Fortran order are converted on reading; a 1-d array is one row). A file whose size is
// not what its header says is DATA_LOSS; another type or shape is INVALID_ARGUMENT.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/files.h"

namespace fluke {

// A row-major float32 matrix, rows x cols.
struct Matrix {
  int64_t rows = 0;
  int64_t cols = 0;
  std::vector<float> values;  // rows * cols
  std::span<const float> row(int64_t i) const {
    return {values.data() + i * cols, static_cast<size_t>(cols)};
  }
  std::span<float> row(int64_t i) { return {values.data() + i * cols, static_cast<size_t>(cols)}; }
};

Matrix ReadNpy(const std::filesystem::path& path);

// What ReadNpy reads, some rows at a time, so that the matrix never has to fit in memory.
class NpyReader {
 public:
  explicit NpyReader(const std::filesystem::path& path);
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  // The rows from number `first` on, as many as `out` (any number x cols) has room for.
  void Read(int64_t first, std::span<float> out) const;

 private:
  MappedFile file_;
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  std::string type_;  // "<f4"
  bool fortran_order_ = false;
  std::string_view values_;
};

void WriteNpy(const std::filesystem::path& path, int64_t rows, int64_t cols,
              std::span<const float> values);

// A float32 .npy file in C order, left on disk and paged in on use; other types are refused.
// Movable; values() stays valid as long as the object, or the one it was moved to, lives.
class MappedNpy {
 public:
  explicit MappedNpy(const std::filesystem::path& path);
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  std::span<const float> values() const { return values_; }
  // MappedFile's, of the rows [begin, end).
  void ReleaseRows(int64_t begin, int64_t end) const;

 private:
  MappedFile file_;
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  std::span<const float> values_;
};

// Writes a .npy row block by row block, so that the matrix never has to fit in memory; atomic like
// AtomicFile.
class NpyWriter {
 public:
  NpyWriter(const std::filesystem::path& path, int64_t cols);
  void Append(std::span<const float> rows);  // any whole number of rows
  void Commit();

 private:
  AtomicFile file_;
  int64_t cols_;
  int64_t rows_ = 0;
};

}  // namespace fluke
