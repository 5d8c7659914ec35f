#include "common/npy.h"

#include <bit>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "common/error.h"

// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
//   "\x93NUMPY", u8 major, u8 minor, u16 (1.x) or u32 (2.x, 3.x) header length, header: a Python
//   dict literal
//   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }, spaces, newline; then the values.
static_assert(std::endian::native == std::endian::little,
              "npy values are mapped as they lie on disk");

namespace fluke {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxHeaderBytes = 1 << 16;
constexpr int64_t kMaxCols = std::numeric_limits<int32_t>::max();
// What NpyWriter reserves: enough for any shape, and a multiple of 64 so that values lie aligned.
constexpr size_t kWrittenHeaderBytes = 128;

struct NpyHeader {
  std::string type;  // "<f4"
  bool fortran_order = false;
  std::vector<int64_t> shape;
  size_t data_offset = 0;
};

// Reads the small part of Python's literals that the header uses.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  NpyHeader Parse() {
    NpyHeader header;
    bool has_type = false, has_order = false, has_shape = false;
    Expect('{');
    while (!Accept('}')) {
      const std::string key = String();
      Expect(':');
      if (key == "descr") {
        header.type = Type();
        has_type = true;
      } else if (key == "fortran_order") {
        header.fortran_order = Boolean();
        has_order = true;
      } else if (key == "shape") {
        header.shape = Shape();
        has_shape = true;
      } else {
        Fail(StrCat("unknown key '", absl::CHexEscape(key), "'"));
      }
      if (!Accept(',')) {
        Expect('}');
        break;
      }
    }
    if (!has_type || !has_order || !has_shape) Fail("expected descr, fortran_order and shape");
    return header;
  }

 private:
  [[noreturn]] void Fail(std::string_view what) const {
    DataLoss(name_, ": damaged npy header: ", what);
  }
  char Peek() {
    while (at_ < text_.size() && absl::ascii_isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool Accept(char c) {
    if (Peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }
  void Expect(char c) {
    if (!Accept(c)) Fail(StrCat("expected '", c, "' at its byte ", at_));
  }
  std::string String() {
    const char quote = Peek() == '"' ? '"' : '\'';
    Expect(quote);
    const size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) Fail("a string is never closed");
    std::string value(text_.substr(at_, end - at_));
    at_ = end + 1;
    return value;
  }
  std::string Type() {
    if (Peek() == '[') {
      InvalidArgument(name_,
                      ": a structured array; expected a plain array of '<f4', '<f8' or '<f2'");
    }
    return String();
  }
  bool Boolean() {
    Peek();
    for (const auto& [word, value] : {std::pair{"True", true}, std::pair{"False", false}}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += std::string_view(word).size();
        return value;
      }
    }
    Fail("expected True or False");
  }
  std::vector<int64_t> Shape() {
    std::vector<int64_t> shape;
    Expect('(');
    while (!Accept(')')) {
      Peek();
      const size_t begin = at_;
      while (at_ < text_.size() && absl::ascii_isdigit(static_cast<unsigned char>(text_[at_])))
        ++at_;
      int64_t extent = 0;
      if (!absl::SimpleAtoi(AbslView(text_.substr(begin, at_ - begin)), &extent)) {
        Fail("expected a tuple of sizes as shape");
      }
      Accept('L');  // written by Python 2
      shape.push_back(extent);
      if (!Accept(',')) {
        Expect(')');
        break;
      }
    }
    return shape;
  }

  std::string_view text_;
  std::string_view name_;
  size_t at_ = 0;
};

NpyHeader ReadHeader(std::string_view bytes, std::string_view name) {
  if (!bytes.starts_with(kMagic))
    DataLoss(name, ": not an npy file (its first bytes are not \\x93NUMPY)");
  const auto byte = [&](size_t i) {
    return static_cast<size_t>(static_cast<unsigned char>(bytes[i]));
  };
  if (bytes.size() < 10) DataLoss(name, ": truncated npy header");
  const size_t major = byte(6);
  if (major < 1 || major > 3) {
    InvalidArgument(name, ": npy format version ", major, ", expected 1, 2 or 3");
  }
  const size_t prefix = major == 1 ? 10 : 12;
  if (bytes.size() < prefix) DataLoss(name, ": truncated npy header");
  size_t length = byte(8) | byte(9) << 8;
  if (major > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > kMaxHeaderBytes || length > bytes.size() - prefix) {
    DataLoss(name, ": npy header of ", length, " bytes in a file of ", bytes.size());
  }
  NpyHeader header = HeaderParser(bytes.substr(prefix, length), name).Parse();
  header.data_offset = prefix + length;
  return header;
}

// The matrix that the header promises and the file's size confirms. A 1-d array is one row.
struct NpyMatrix {
  int64_t rows = 0;
  int64_t cols = 0;
  std::string_view values;
  std::string type;
  bool fortran_order = false;
};

NpyMatrix ReadMatrix(std::string_view bytes, std::string_view name) {
  const NpyHeader header = ReadHeader(bytes, name);
  if (header.type != "<f4" && header.type != "<f8" && header.type != "<f2") {
    InvalidArgument(name, ": values of type '", absl::CHexEscape(header.type),
                    "', expected float32 ('<f4'), float64 ('<f8') or float16 ('<f2')");
  }
  if (header.shape.empty() || header.shape.size() > 2) {
    InvalidArgument(name, ": an array of ", header.shape.size(),
                    " dimensions, expected 2 (rows x columns)");
  }
  NpyMatrix matrix{.rows = header.shape.size() == 2 ? header.shape.front() : 1,
                   .cols = header.shape.back(),
                   .values = bytes.substr(header.data_offset),
                   .type = header.type,
                   .fortran_order = header.fortran_order};
  if (matrix.cols < 1 || matrix.cols > kMaxCols) {
    InvalidArgument(name, ": ", matrix.cols, " columns, expected 1 to ", kMaxCols);
  }
  const uint64_t row_bytes = static_cast<uint64_t>(matrix.cols) * (header.type[2] - '0');
  const uint64_t rows = static_cast<uint64_t>(matrix.rows);
  if (matrix.values.size() % row_bytes != 0 || matrix.values.size() / row_bytes != rows) {
    DataLoss(name, ": ", matrix.values.size(), " bytes of values, expected ", rows, " rows of ",
             row_bytes, " bytes; the file is truncated or damaged");
  }
  return matrix;
}

// IEEE 754 binary16.
float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 0x1f;
  const uint32_t fraction = half & 0x3ff;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1.0p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

template <typename Value>
Value At(std::string_view values, size_t i) {
  Value value;
  std::memcpy(&value, values.data() + i * sizeof(Value), sizeof(Value));
  return value;
}

float ValueAt(std::string_view type, std::string_view values, size_t i) {
  if (type == "<f4") return At<float>(values, i);
  if (type == "<f8") return static_cast<float>(At<double>(values, i));
  return HalfToFloat(At<uint16_t>(values, i));
}

std::string HeaderFor(int64_t rows, int64_t cols) {
  std::string header(kMagic);
  header += '\x01';
  header += '\x00';
  const size_t length = kWrittenHeaderBytes - 10;
  header += static_cast<char>(length & 0xff);
  header += static_cast<char>(length >> 8);
  header += StrCat("{'descr': '<f4', 'fortran_order': False, 'shape': (", rows, ", ", cols, "), }");
  header.resize(kWrittenHeaderBytes - 1, ' ');
  header += '\n';
  return header;
}

}  // namespace

Matrix ReadNpy(const std::filesystem::path& path) {
  const NpyReader reader(path);
  Matrix matrix{.rows = reader.rows(), .cols = reader.cols(), .values = {}};
  matrix.values.resize(static_cast<size_t>(matrix.rows) * static_cast<size_t>(matrix.cols));
  reader.Read(0, matrix.values);
  return matrix;
}

NpyReader::NpyReader(const std::filesystem::path& path) : file_(path) {
  const NpyMatrix stored = ReadMatrix(file_.text(), path.string());
  rows_ = stored.rows;
  cols_ = stored.cols;
  type_ = stored.type;
  fortran_order_ = stored.fortran_order;
  values_ = stored.values;
}

void NpyReader::Read(int64_t first, std::span<float> out) const {
  const size_t rows = static_cast<size_t>(rows_), cols = static_cast<size_t>(cols_);
  const size_t begin = static_cast<size_t>(first) * cols;
  if (type_ == "<f4" && !fortran_order_) {
    const std::string_view part = values_.substr(begin * sizeof(float), out.size_bytes());
    if (!part.empty()) std::memcpy(out.data(), part.data(), part.size());
  } else {
    for (size_t i = begin; i < begin + out.size(); ++i) {
      out[i - begin] = ValueAt(type_, values_, fortran_order_ ? i % cols * rows + i / cols : i);
    }
  }
  // A block of rows lies all over a matrix in Fortran order.
  const size_t value_bytes = static_cast<size_t>(type_[2] - '0');
  file_.Release(fortran_order_ ? file_.bytes()
                               : std::as_bytes(std::span(values_))
                                     .subspan(begin * value_bytes, out.size() * value_bytes));
}

void WriteNpy(const std::filesystem::path& path, int64_t rows, int64_t cols,
              std::span<const float> values) {
  if (rows < 0 || cols < 1 ||
      values.size() / static_cast<size_t>(cols) != static_cast<size_t>(rows) ||
      values.size() % static_cast<size_t>(cols) != 0) {
    InvalidArgument(path.string(), ": ", values.size(), " values for a matrix of ", rows, " x ",
                    cols);
  }
  NpyWriter writer(path, cols);
  writer.Append(values);
  writer.Commit();
}

MappedNpy::MappedNpy(const std::filesystem::path& path) : file_(path) {
  const NpyMatrix stored = ReadMatrix(file_.text(), path.string());
  if (stored.type != "<f4" || stored.fortran_order) {
    InvalidArgument(path.string(), ": '", stored.type, "' in ",
                    stored.fortran_order ? "Fortran" : "C",
                    " order, expected float32 ('<f4') in C order: "
                    "numpy.save(path, numpy.ascontiguousarray(array, 'float32'))");
  }
  if (reinterpret_cast<uintptr_t>(stored.values.data()) % alignof(float) != 0) {
    InvalidArgument(path.string(), ": its values begin at no multiple of ", alignof(float),
                    " bytes, which no version of NumPy writes; save it again");
  }
  rows_ = stored.rows;
  cols_ = stored.cols;
  values_ = {reinterpret_cast<const float*>(stored.values.data()),
             static_cast<size_t>(rows_) * static_cast<size_t>(cols_)};
}

void MappedNpy::ReleaseRows(int64_t begin, int64_t end) const {
  const size_t cols = static_cast<size_t>(cols_);
  file_.Release(std::as_bytes(
      values_.subspan(static_cast<size_t>(begin) * cols, static_cast<size_t>(end - begin) * cols)));
}

NpyWriter::NpyWriter(const std::filesystem::path& path, int64_t cols) : file_(path), cols_(cols) {
  if (cols < 1 || cols > kMaxCols) {
    InvalidArgument(path.string(), ": ", cols, " columns, expected 1 to ", kMaxCols);
  }
  file_.Append(HeaderFor(0, cols_));
}

void NpyWriter::Append(std::span<const float> rows) {
  if (rows.size() % static_cast<size_t>(cols_) != 0) {
    InvalidArgument("npy: ", rows.size(), " values appended, expected a multiple of the ", cols_,
                    " columns");
  }
  file_.Append(rows.data(), rows.size_bytes());
  rows_ += static_cast<int64_t>(rows.size()) / cols_;
}

void NpyWriter::Commit() {
  file_.WriteAt(0, HeaderFor(rows_, cols_));
  file_.Commit();
}

}  // namespace fluke
