#include "common/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "common/random.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using namespace std::string_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// What numpy.lib.format.write_array (NumPy 2.4.6) writes for this header, `padding` spaces and
// these values.
std::string File(const std::string& prefix, const std::string& header, size_t padding,
                 const std::string& values) {
  return "\x93NUMPY"s + prefix + header + std::string(padding, ' ') + "\n" + values;
}

const std::string kHeader = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
// [[1.5, -2, 3.25], [0, 0.001, 7]]
const std::string kValues =
    "\x00\x00\xc0?\x00\x00\x00\xc0\x00\x00P@\x00\x00\x00\x00o\x12\x83:\x00\x00\xe0@"s;
const std::string kVersion1 = File("\x01\x00v\x00"s, kHeader, 58, kValues);
const std::string kVersion2 = File("\x02\x00t\x00\x00\x00"s, kHeader, 56, kValues);
const std::string kVersion3 = File("\x03\x00t\x00\x00\x00"s, kHeader, 56, kValues);

// Without the fsync of WriteFileAtomically: these tests write thousands of files.
void WriteNpyBytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

Matrix Read(const std::string& bytes) {
  const Scratch scratch;
  WriteNpyBytes(scratch / "x.npy", bytes);
  return ReadNpy(scratch / "x.npy");
}

Error ErrorReading(const std::string& bytes) {
  return ErrorOf([&] { Read(bytes); });
}

TEST(Npy, ReadsVersions1To3) {
  for (const std::string& bytes : {kVersion1, kVersion2, kVersion3}) {
    const Matrix matrix = Read(bytes);
    EXPECT_EQ(matrix.rows, 2);
    EXPECT_EQ(matrix.cols, 3);
    EXPECT_THAT(matrix.values, ElementsAre(1.5f, -2.0f, 3.25f, 0.0f, 0.001f, 7.0f));
    EXPECT_THAT(matrix.row(1), ElementsAre(0.0f, 0.001f, 7.0f));
  }
}

TEST(Npy, ConvertsDoubles) {
  const Matrix matrix = Read(File(
      "\x01\x00v\x00"s, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", 58,
      "\x00\x00\x00\x00\x00\x00\xf8?\x00\x00\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\n@"
      "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xe0MbP?\x00\x00\x00\x00\x00\x00\x1c@"s));
  EXPECT_THAT(matrix.values, ElementsAre(1.5f, -2.0f, 3.25f, 0.0f, 0.001f, 7.0f));
}

// 65504 is the largest half; 2^-24 the smallest subnormal; 0x03ff the largest subnormal, 1023 *
// 2^-24.
TEST(Npy, ConvertsHalvesSubnormalsIncluded) {
  const Matrix matrix =
      Read(File("\x01\x00v\x00"s, "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3), }", 58,
                "\x00>\x00\xc0\xff{\x01\x00\x00\x80\xff\x03"s));
  EXPECT_THAT(matrix.values, ElementsAre(1.5f, -2.0f, 65504.0f, 0x1p-24f, 0.0f, 1023 * 0x1p-24f));
  EXPECT_TRUE(std::signbit(matrix.values[4]));
}

TEST(Npy, ConvertsHalfInfinityAndNan) {
  const Matrix matrix =
      Read(File("\x01\x00v\x00"s, "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 3), }", 58,
                "\x00\x7c\x00\xfc\x00\x7e"s));
  EXPECT_EQ(matrix.values[0], INFINITY);
  EXPECT_EQ(matrix.values[1], -INFINITY);
  EXPECT_TRUE(std::isnan(matrix.values[2]));
}

TEST(Npy, TurnsFortranOrderAround) {
  const std::string values =
      "\x00\x00\xc0?\x00\x00\x00\x00\x00\x00\x00\xc0o\x12\x83:\x00\x00P@\x00\x00\xe0@"s;
  const Matrix matrix = Read(File(
      "\x01\x00v\x00"s, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 59, values));
  EXPECT_THAT(matrix.values, ElementsAre(1.5f, -2.0f, 3.25f, 0.0f, 0.001f, 7.0f));
}

TEST(Npy, AOneDimensionalArrayIsOneRow) {
  const Matrix matrix =
      Read(File("\x01\x00v\x00"s, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 60,
                "\x00\x00\xc0?\x00\x00\x00\xc0\x00\x00P@"s));
  EXPECT_EQ(matrix.rows, 1);
  EXPECT_THAT(matrix.values, ElementsAre(1.5f, -2.0f, 3.25f));
}

TEST(Npy, AnArrayMayHaveNoRows) {
  const Matrix matrix = Read(File(
      "\x01\x00v\x00"s, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", 58, ""));
  EXPECT_EQ(matrix.rows, 0);
  EXPECT_EQ(matrix.cols, 3);
}

TEST(Npy, TakesHeadersInOtherOrderAndSpelling) {
  const std::string header = "{\"shape\":(2L,3L),\"fortran_order\":False,\"descr\":\"<f4\"}";
  std::string bytes =
      File("\x01\x00"s + static_cast<char>(header.size() + 1) + "\x00"s, header, 0, kValues);
  EXPECT_THAT(Read(bytes).values, ElementsAre(1.5f, -2.0f, 3.25f, 0.0f, 0.001f, 7.0f));
}

TEST(NpyReader, ReadsAnyRowsOfAnyOrder) {
  const Scratch scratch;
  WriteNpyBytes(scratch / "c.npy", kVersion1);
  WriteNpyBytes(
      scratch / "fortran.npy",
      File("\x01\x00v\x00"s, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 59,
           "\x00\x00\xc0?\x00\x00\x00\x00\x00\x00\x00\xc0o\x12\x83:\x00\x00P@\x00\x00\xe0@"s));
  for (const char* name : {"c.npy", "fortran.npy"}) {
    const NpyReader reader(scratch / name);
    EXPECT_EQ(reader.rows(), 2);
    std::vector<float> row(3);
    reader.Read(1, row);
    EXPECT_THAT(row, ElementsAre(0.0f, 0.001f, 7.0f));
    reader.Read(0, row);
    EXPECT_THAT(row, ElementsAre(1.5f, -2.0f, 3.25f));
    reader.Read(2, {});
  }
}

TEST(Npy, WritesTheBytesThatNumPyWrites) {
  const Scratch scratch;
  WriteNpy(scratch / "x.npy", 2, 3, std::vector<float>{1.5f, -2.0f, 3.25f, 0.0f, 0.001f, 7.0f});
  EXPECT_EQ(ReadFile(scratch / "x.npy"), kVersion1);
}

TEST(NpyWriter, StreamsRowsAndAppearsWhenCommitted) {
  const Scratch scratch;
  NpyWriter writer(scratch / "x.npy", 3);
  writer.Append(std::vector<float>{1.5f, -2.0f, 3.25f});
  writer.Append({});
  EXPECT_FALSE(std::filesystem::exists(scratch / "x.npy"));
  EXPECT_EQ(ErrorOf([&] {
              writer.Append(std::vector<float>{1, 2});
            }).code(),
            absl::StatusCode::kInvalidArgument);
  writer.Append(std::vector<float>{0.0f, 0.001f, 7.0f});
  writer.Commit();
  EXPECT_EQ(ReadFile(scratch / "x.npy"), kVersion1);
}

TEST(NpyWriter, RefusesShapesThatDoNotFit) {
  const Scratch scratch;
  EXPECT_EQ(ErrorOf([&] { NpyWriter writer(scratch / "x.npy", 0); }).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorOf([&] { WriteNpy(scratch / "x.npy", 2, 3, std::vector<float>(5)); }).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(scratch / "x.npy"));
}

TEST(MappedNpy, IsAViewThatMoves) {
  const Scratch scratch;
  WriteNpyBytes(scratch / "x.npy", kVersion1);
  MappedNpy first(scratch / "x.npy");
  const MappedNpy second(std::move(first));
  EXPECT_EQ(second.rows(), 2);
  EXPECT_EQ(second.cols(), 3);
  EXPECT_THAT(second.values(), ElementsAre(1.5f, -2.0f, 3.25f, 0.0f, 0.001f, 7.0f));
}

TEST(MappedNpy, RefusesWhatItWouldHaveToConvert) {
  const Scratch scratch;
  WriteFileAtomically(
      scratch / "x.npy",
      File("\x01\x00v\x00"s, "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }", 58,
           std::string(8, '\0')));
  const Error error = ErrorOf([&] { MappedNpy npy(scratch / "x.npy"); });
  EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(error.what(),
              AllOf(HasSubstr("x.npy"), HasSubstr("'<f8'"), HasSubstr("ascontiguousarray")));
}

TEST(Npy, SaysWhatItDoesNotTake) {
  const auto message = [](const std::string& header, const std::string& values) {
    const Error error = ErrorReading(File("\x01\x00v\x00"s, header, 117 - header.size(), values));
    EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument) << error.what();
    return std::string(error.what());
  };
  EXPECT_THAT(message("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", kValues),
              HasSubstr("values of type '>f4', expected float32"));
  EXPECT_THAT(message("{'descr': '|O', 'fortran_order': False, 'shape': (2, 3), }", kValues),
              HasSubstr("'|O'"));
  EXPECT_THAT(
      message("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (6,), }", kValues),
      HasSubstr("structured"));
  EXPECT_THAT(message("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }", kValues),
              HasSubstr("3 dimensions, expected 2"));
  EXPECT_THAT(message("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", "0000"),
              HasSubstr("0 dimensions"));
  EXPECT_THAT(
      message("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 0), }", ""),
      HasSubstr("0 columns"));
}

TEST(Npy, DoesNotTrustLengths) {
  const auto code = [](const std::string& bytes) { return ErrorReading(bytes).code(); };
  const auto shape = [](const std::string& text) {
    const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': " + text + ", }";
    return File("\x01\x00v\x00"s, header, 117 - header.size(), kValues);
  };
  EXPECT_EQ(code(shape("(3, 3)")), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code(shape("(1, 3)")), absl::StatusCode::kDataLoss);
  // 2^62 * 4 and 4611686018427387905 * 4 overflow 64 bits to 0 and 4.
  EXPECT_EQ(code(shape("(4611686018427387904, 1)")), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code(shape("(4611686018427387910, 1)")), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code(shape("(1, 4611686018427387910)")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(shape("(99999999999999999999, 3)")), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code(shape("(-2, 3)")), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code("\x93NUMPY\x02\x00\xff\xff\xff\xff{}"s), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code(""), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code("PK\x03\x04 an npz"), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code("\x93NUMPY\x04\x00"s + kVersion3.substr(8)), absl::StatusCode::kInvalidArgument);
}

TEST(Npy, EveryTruncationIsAnError) {
  for (const std::string& valid : {kVersion1, kVersion3}) {
    for (size_t size = 0; size < valid.size(); ++size) ErrorReading(valid.substr(0, size));
  }
}

TEST(Npy, FlippedBytesNeverCrash) {
  const Scratch scratch;
  Random random(2);
  const auto open = [&](const std::string& bytes) {
    WriteNpyBytes(scratch / "x.npy", bytes);
    try {
      ReadNpy(scratch / "x.npy");
      MappedNpy mapped(scratch / "x.npy");
    } catch (const Error&) {
    }
  };
  for (int i = 0; i < 5000; ++i) {
    std::string damaged = i % 2 == 0 ? kVersion1 : kVersion2;
    for (uint64_t flips = 1 + random.Below(3); flips > 0; --flips) {
      damaged[random.Below(80)] = static_cast<char>(random.Below(256));
    }
    open(damaged);
  }
}

}  // namespace
}  // namespace fluke
