// What the train room writes and reads: safetensors and TensorBoard events, against bytes made by
// their own libraries.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/error.h"
#include "common/files.h"
#include "common/random.h"
#include "train/safetensors.h"
#include "train/tensorboard.h"
#include "train/weights.h"

namespace fluke::train {
namespace {

std::filesystem::path TestFile(const std::string& name) {
  return std::filesystem::path(testing::TempDir()) / ("train_files_test_" + name);
}

// Written by the Python package safetensors: b = [[1, 2], [3, 4]] int64, a = [1.5, -2] float32, h =
// [1] bf16, metadata k = v.
std::string ReferenceBytes() {
  std::string bytes("\xc8\0\0\0\0\0\0\0", 8);
  bytes +=
      R"({"__metadata__":{"k":"v"},"b":{"dtype":"I64","shape":[2,2],"data_offsets":[0,32]},"a":{"dtype":"F32","shape":[2],)"
      R"("data_offsets":[32,40]},"h":{"dtype":"BF16","shape":[1],"data_offsets":[40,42]}}       )";
  for (char value : {1, 2, 3, 4}) bytes += std::string(1, value) + std::string(7, '\0');
  bytes += std::string("\0\0\xc0\x3f\0\0\0\xc0\x80\x3f", 10);
  return bytes;
}

TEST(Safetensors, ReadsWhatTheReferenceLibraryWrote) {
  const auto path = TestFile("reference.safetensors");
  WriteFileAtomically(path, ReferenceBytes());
  const Safetensors contents = ReadSafetensors(path);
  EXPECT_EQ(contents.metadata, (std::map<std::string, std::string>{{"k", "v"}}));
  ASSERT_EQ(contents.tensors.size(), 3u);
  EXPECT_TRUE(at::equal(contents.tensors.at("b"), torch::tensor({{1, 2}, {3, 4}}, torch::kLong)));
  EXPECT_TRUE(at::equal(contents.tensors.at("a"), torch::tensor({1.5f, -2.f})));
  EXPECT_TRUE(at::equal(contents.tensors.at("h"), torch::ones({1}, at::kBFloat16)));
}

TEST(Safetensors, GivesBackWhatWasWrittenInEveryMemoryLayout) {
  const auto path = TestFile("layout.safetensors");
  const at::Tensor w = torch::randn({4, 3, 2, 2}).contiguous(at::MemoryFormat::ChannelsLast);
  WriteSafetensors(
      path,
      {{{"w", w}, {"empty", torch::zeros({0, 3})}, {"scalar", torch::tensor(3, torch::kLong)}},
       {}});
  const Safetensors contents = ReadSafetensors(path);
  EXPECT_TRUE(at::equal(contents.tensors.at("w"), w));
  EXPECT_EQ(contents.tensors.at("empty").sizes(), (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(contents.tensors.at("scalar").item<int64_t>(), 3);
}

TEST(Safetensors, ReportsDamageAndNeverReadsOutside) {
  const auto path = TestFile("damaged.safetensors");
  const std::string good = ReferenceBytes();
  for (size_t length = 0; length < good.size(); ++length) {
    WriteFileAtomically(path, std::string_view(good).substr(0, length));
    EXPECT_THROW(ReadSafetensors(path), Error) << length;
  }
  Random random(7);
  for (int i = 0; i < 300; ++i) {
    std::string bytes = good;
    bytes[random.Below(8 + 200)] ^= static_cast<char>(1 << random.Below(8));
    WriteFileAtomically(path, bytes);
    try {
      ReadSafetensors(path);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("damaged.safetensors"));
    }
  }
}

TEST(TensorBoard, WritesTheRecordThatTensorBoardWould) {
  // Python: tensorboard's Event(wall_time=1.5, step=7,
  // summary=Summary(value=[Summary.Value(tag="loss", simple_value=.25)])), framed with
  // masked_crc32c.
  const std::string expected =
      "1a00000000000000129bd82d09000000000000f83f10072a0d0a0b0a046c6f7373150000803ec9d07b8d";
  std::string hex;
  for (unsigned char c : EventRecord(1.5, 7, "loss", 0.25f)) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[c >> 4];
    hex += kDigits[c & 15];
  }
  EXPECT_EQ(hex, expected);
}

TEST(Weights, TransferNamesWhatDoesNotFit) {
  torch::nn::Linear wide(3, 4), narrow(3, 2);
  const TransferReport report =
      TransferWeights(*wide, {{"weight", torch::ones({4, 3})}, {"bias", torch::ones({2})}}, "old");
  EXPECT_EQ(report.loaded, 1);
  ASSERT_EQ(report.skipped.size(), 1u);
  EXPECT_EQ(report.skipped[0], "bias: 2 there, 4 here");
  EXPECT_TRUE(at::equal(wide->weight, torch::ones({4, 3})));
  EXPECT_THROW(TransferWeights(*wide, {{"other", torch::ones({1})}}, "old"), Error);
}

TEST(Weights, OfAnotherArchitectureAreRefusedWithNames) {
  torch::nn::Linear layer(3, 4);
  try {
    LoadWeights(*layer, {{"weight", torch::ones({2, 3})}, {"bias", torch::ones({4})}}, "",
                "model.safetensors");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(error.what(),
                testing::AllOf(testing::HasSubstr("model.safetensors"),
                               testing::HasSubstr("weight: 2 x 3 there, 4 x 3 expected")));
  }
}

}  // namespace
}  // namespace fluke::train
