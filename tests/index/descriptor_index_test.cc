#include "index/local/descriptor_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "common/random.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using testing::ExpectError;
using testing::ReadBytes;
using testing::TestFolder;

// Codes in clusters, as the descriptors of many photographs of the same animals are.
std::vector<uint8_t> Codes(int64_t count, int64_t clusters, uint64_t seed) {
  Random centres(RandomKey({seed, 1})), noise(RandomKey({seed, 2}));
  std::vector<uint8_t> base(static_cast<size_t>(clusters * kDescriptorBytes));
  for (uint8_t& value : base) value = static_cast<uint8_t>(centres.Below(120));
  std::vector<uint8_t> codes;
  for (int64_t i = 0; i < count; ++i) {
    const auto centre = static_cast<int64_t>(noise.Below(static_cast<uint64_t>(clusters)));
    for (int64_t j = 0; j < kDescriptorBytes; ++j) {
      const int value = base[static_cast<size_t>(centre * kDescriptorBytes + j)] +
                        static_cast<int>(noise.Below(20));
      codes.push_back(static_cast<uint8_t>(value));
    }
  }
  return codes;
}

std::span<const uint8_t> RowOf(const std::vector<uint8_t>& codes, int64_t row) {
  return std::span(codes).subspan(static_cast<size_t>(row * kDescriptorBytes), kDescriptorBytes);
}

// Squared distances of the unit vectors that the codes stand for, by row.
std::vector<double> NaiveDistances(std::span<const uint8_t> query,
                                   const std::vector<uint8_t>& codes) {
  std::vector<double> distances;
  for (size_t row = 0; row * kDescriptorBytes < codes.size(); ++row) {
    double sum = 0;
    for (size_t j = 0; j < kDescriptorBytes; ++j) {
      const double difference = query[j] / 512.0 - codes[row * kDescriptorBytes + j] / 512.0;
      sum += difference * difference;
    }
    distances.push_back(sum);
  }
  return distances;
}

TEST(DescriptorIndex, FindsTheNearestExactlyWhileThereAreFew) {
  const std::vector<uint8_t> codes = Codes(3000, 40, 1), queries = Codes(25, 40, 1);
  const DescriptorIndex index(codes);
  EXPECT_EQ(index.lists(), 0);
  const NearDescriptors near = index.Search(queries, 4);
  ASSERT_EQ(near.rows.size(), 100u);
  for (int64_t q = 0; q < 25; ++q) {
    const std::vector<double> all = NaiveDistances(RowOf(queries, q), codes);
    std::vector<double> sorted = all;
    std::sort(sorted.begin(), sorted.end());
    for (size_t j = 0; j < 4; ++j) {
      const size_t at = static_cast<size_t>(q) * 4 + j;
      EXPECT_NEAR(near.distances[at], sorted[j], 1e-5);
      EXPECT_NEAR(all[static_cast<size_t>(near.rows[at])], sorted[j], 1e-5);
    }
  }
}

TEST(DescriptorIndex, LeavesOutRangesOfRows) {
  const std::vector<uint8_t> codes = Codes(3000, 40, 2);
  const DescriptorIndex index(codes);
  const auto query = RowOf(codes, 120);
  EXPECT_EQ(index.Search(query, 1).rows[0], 120);
  EXPECT_EQ(index.Search(query, 1).distances[0], 0);
  const std::vector<DescriptorRange> left_out = {{.begin = 100, .end = 2000},
                                                 {.begin = 2500, .end = 2990}};
  const NearDescriptors near = index.Search(query, 600, left_out);
  std::vector<double> rest = NaiveDistances(query, codes);
  rest.erase(rest.begin() + 2500, rest.begin() + 2990);
  rest.erase(rest.begin() + 100, rest.begin() + 2000);
  std::sort(rest.begin(), rest.end());
  for (size_t j = 0; j < 600; ++j) {
    const int64_t row = near.rows[j];
    EXPECT_TRUE(row < 100 || (row >= 2000 && row < 2500) || row >= 2990) << row;
    EXPECT_NEAR(near.distances[j], rest[j], 1e-5);
  }
}

TEST(DescriptorIndex, FindsWhatWasAddedAfterTraining) {
  for (const int64_t trained : {int64_t{0}, int64_t{400}, kExactDescriptors + 1000}) {
    const std::vector<uint8_t> codes = Codes(trained + 300, 40, 5);
    const auto first = static_cast<size_t>(trained * kDescriptorBytes);
    const std::span<const uint8_t> all(codes);
    DescriptorIndex index(all.first(first));
    index.Add(all.subspan(first));
    EXPECT_EQ(index.size(), trained + 300);
    for (int64_t row = 0; row < index.size(); row += 50) {
      const NearDescriptors near = index.Search(RowOf(codes, row), 1);
      EXPECT_EQ(near.distances[0], 0);
      EXPECT_EQ(NaiveDistances(RowOf(codes, row), codes)[static_cast<size_t>(near.rows[0])], 0);
    }
  }
}

TEST(DescriptorIndex, SaysWhereThereAreNoMore) {
  const std::vector<uint8_t> codes = Codes(2, 1, 3);
  const NearDescriptors near = DescriptorIndex(codes).Search(RowOf(codes, 0), 3);
  EXPECT_EQ(near.rows[0], 0);
  EXPECT_EQ(near.rows[1], 1);
  EXPECT_EQ(near.rows[2], -1);
  EXPECT_TRUE(std::isinf(near.distances[2]));
  EXPECT_EQ(DescriptorIndex({}).Search(RowOf(codes, 0), 1).rows[0], -1);
  EXPECT_TRUE(DescriptorIndex(codes).Search({}, 3).rows.empty());
}

// Many: lists, written and read back.
class ManyDescriptors : public ::testing::Test {
 protected:
  static constexpr int64_t kCount = 30'000;
  const std::vector<uint8_t> codes_ = Codes(kCount, 3000, 4), queries_ = Codes(50, 3000, 4);
  TestFolder folder_;

  std::unique_ptr<DescriptorIndex> Reopened() {
    const auto path = folder_.path() / "lists";
    DescriptorIndex(codes_).Write(path);
    return std::make_unique<DescriptorIndex>(ReadBytes(path), kCount, "lists");
  }
};

TEST_F(ManyDescriptors, StandInListsThatFindNearlyAllNearest) {
  const auto index = Reopened();
  EXPECT_GT(index->lists(), 100);
  int found = 0;
  const NearDescriptors near = index->Search(queries_, 1);
  const NearDescriptors all =
      index->Search(queries_, 1, {}, static_cast<int>(index->lists()));  // every list
  for (int64_t q = 0; q < 50; ++q) {
    const std::vector<double> distances = NaiveDistances(RowOf(queries_, q), codes_);
    const double least = *std::min_element(distances.begin(), distances.end());
    EXPECT_NEAR(all.distances[static_cast<size_t>(q)], least, 1e-5);
    found += std::abs(near.distances[static_cast<size_t>(q)] - least) < 1e-5 ? 1 : 0;
  }
  EXPECT_GE(found, 45);
}

TEST_F(ManyDescriptors, LeaveOutARangeOfRowsToo) {
  const auto index = Reopened();
  const auto query = RowOf(codes_, 7);
  EXPECT_EQ(index->Search(query, 1).rows[0], 7);
  const std::vector<DescriptorRange> left_out = {{.begin = 0, .end = 15'000}};
  for (const int64_t row : index->Search(query, 20, left_out).rows) {
    EXPECT_GE(row, 15'000);
  }
}

TEST_F(ManyDescriptors, AreNotReadWhereTheyAreNotAsMany) {
  const auto path = folder_.path() / "lists";
  DescriptorIndex(codes_).Write(path);
  const std::string bytes = ReadBytes(path);
  ExpectError(absl::StatusCode::kDataLoss, {"lists", "30000", "29999"},
              [&] { DescriptorIndex(bytes, kCount - 1, "lists"); });
  ExpectError(absl::StatusCode::kDataLoss, {"lists"},
              [&] { DescriptorIndex(bytes.substr(0, bytes.size() / 2), kCount, "lists"); });
}

TEST(DescriptorIndex, NamesWhatIsWrong) {
  const std::vector<uint8_t> codes = Codes(10, 2, 5);
  const DescriptorIndex index(codes);
  ExpectError(absl::StatusCode::kInvalidArgument, {"k is 0"}, [&] { index.Search(codes, 0); });
  ExpectError(absl::StatusCode::kInvalidArgument, {"100 bytes"},
              [&] { index.Search(std::span(codes).subspan(0, 100), 1); });
}

}  // namespace
}  // namespace fluke
