// The scan by bounds must equal the plain scan bit for bit, whatever the data.
#include "index/bounded_scan.h"

#include <cmath>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>
#include <omp.h>

#include "index/exact_scan.h"
#include "index/layout.h"
#include "index/row_codes_writer.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using namespace fluke::testing;  // NOLINT: the fixtures of this room

constexpr int64_t kDimension = 48;
constexpr int64_t kRows = 2500;  // two whole chunks and a part, a part of a block
constexpr int64_t kQueries = 37;

struct Data {
  std::vector<float> rows, queries;
};

using MakeData = Data (*)();

Data Gaussian() {
  return {RandomVectors(kRows, kDimension, 1), RandomVectors(kQueries, kDimension, 2)};
}

Data Clustered() {
  const auto all = ClusteredVectors(kRows + kQueries, kDimension, 30, 3);
  return {{all.begin(), all.begin() + kRows * kDimension},
          {all.begin() + kRows * kDimension, all.end()}};
}

// Many rows share a score, and many queries a row.
Data EqualVectors() {
  const auto four = RandomVectors(4, kDimension, 5);
  Data data;
  for (int64_t i = 0; i < kRows; ++i) {
    const auto from = four.begin() + i % 4 * kDimension;
    data.rows.insert(data.rows.end(), from, from + kDimension);
  }
  for (int64_t i = 0; i < kQueries; ++i) {
    const auto from = four.begin() + i % 4 * kDimension;
    data.queries.insert(data.queries.end(), from, from + kDimension);
  }
  return data;
}

Data OneVectorOnly() {
  Data data;
  const auto one = RandomVectors(1, kDimension, 6);
  for (int64_t i = 0; i < kRows; ++i) data.rows.insert(data.rows.end(), one.begin(), one.end());
  data.queries = RandomVectors(kQueries, kDimension, 7);
  return data;
}

// Rows and queries of very different lengths, each value times `scale` of its row.
template <typename Scale>
Data Scaled(Scale scale) {
  Data data = Clustered();
  for (int64_t i = 0; i < kRows * kDimension; ++i) {
    data.rows[static_cast<size_t>(i)] *= scale(i / kDimension);
  }
  return data;
}

Data HugeLengths() {
  return Scaled([](int64_t row) { return row % 3 == 0 ? 1e10f : 1.0f; });
}

Data LengthsOverTwentyDecades() {
  return Scaled([](int64_t row) { return std::pow(10.0f, static_cast<float>(row % 21 - 10)); });
}

Data DenormalValues() {
  Data data = Clustered();
  const float denormal = std::numeric_limits<float>::denorm_min() * 1000;
  for (size_t i = 0; i < data.rows.size(); ++i) {
    if (i % 3 != 0) data.rows[i] = i % 2 == 0 ? denormal : -denormal;
  }
  for (size_t i = 0; i < data.queries.size(); i += 2) data.queries[i] = denormal;
  return data;
}

Data OneDominatingDimension() {
  Data data = Gaussian();
  for (size_t i = 5; i < data.rows.size(); i += kDimension) data.rows[i] = 1e6f + data.rows[i];
  for (size_t i = 5; i < data.queries.size(); i += kDimension) data.queries[i] *= 1e4f;
  return data;
}

// Scores that float32 cannot tell apart without its rounding.
Data HairsBreadth() {
  const auto base = RandomVectors(1, kDimension, 8), noise = RandomVectors(kRows, kDimension, 9);
  Data data;
  for (int64_t i = 0; i < kRows * kDimension; ++i) {
    data.rows.push_back(base[static_cast<size_t>(i % kDimension)] +
                        1e-6f * noise[static_cast<size_t>(i)]);
  }
  data.queries = RandomVectors(kQueries, kDimension, 10);
  return data;
}

Data ZeroRows() {
  Data data = Clustered();
  std::fill(data.rows.begin(), data.rows.begin() + 1100 * kDimension, 0.0f);
  return data;
}

Data OutliersAlone() {
  Data data = Gaussian();
  for (int64_t j = 0; j < kDimension; ++j)
    data.rows[static_cast<size_t>(2499 * kDimension + j)] = 1e5f;
  return data;
}

// Queries that no bound can serve: they must be scanned plainly.
Data ExtraordinaryQueries() {
  Data data = Clustered();
  for (int64_t j = 0; j < kDimension; ++j) {
    data.queries[static_cast<size_t>(j)] *= 1e15f;
    data.queries[static_cast<size_t>(kDimension + j)] *= 1e-20f;
    data.queries[static_cast<size_t>(2 * kDimension + j)] = 0;
  }
  return data;
}

struct Case {
  const char* name;
  MakeData make;
};

constexpr Case kCases[] = {
    {"Gaussian", Gaussian},
    {"Clustered", Clustered},
    {"EqualVectors", EqualVectors},
    {"OneVectorOnly", OneVectorOnly},
    {"HugeLengths", HugeLengths},
    {"LengthsOverTwentyDecades", LengthsOverTwentyDecades},
    {"DenormalValues", DenormalValues},
    {"OneDominatingDimension", OneDominatingDimension},
    {"HairsBreadth", HairsBreadth},
    {"ZeroRows", ZeroRows},
    {"OutliersAlone", OutliersAlone},
    {"ExtraordinaryQueries", ExtraordinaryQueries},
};

class BoundedScan : public ::testing::TestWithParam<Case> {
 protected:
  std::unique_ptr<const RowCodes> Codes(Similarity similarity, const std::vector<float>& rows,
                                        const RowCodesOptions& options) {
    const auto path = folder_.path() / "codes.bin";
    EXPECT_TRUE(WriteRowCodes(path, similarity, rows, kDimension, options));
    return std::make_unique<RowCodes>(MappedFile(path), similarity,
                                      static_cast<int64_t>(rows.size()) / kDimension, kDimension,
                                      path.string());
  }

  TestFolder folder_;
};

TEST_P(BoundedScan, EqualsThePlainScanBitForBit) {
  const Data data = GetParam().make();
  std::vector<int64_t> exclude;
  for (int64_t q = 0; q < kQueries; ++q) exclude.push_back(q % 3 == 0 ? -1 : 61 * q);
  for (const Similarity similarity : {Similarity::kInnerProduct, Similarity::kL2}) {
    for (const RowCodesOptions& options :
         {RowCodesOptions{.head = 8}, {.head = kDimension}, {.head = 16, .lists = 30}}) {
      const auto codes = Codes(similarity, data.rows, options);
      for (const int64_t k : {1, 20, 2048, 5000}) {
        const auto expected = ScanExactly(similarity, data.queries, data.rows, kDimension, k,
                                          {.exclude_rows = exclude});
        for (const CodeKernel& kernel : CodeKernels()) {
          if (!kernel.supported()) continue;
          const auto got = ScanByBounds(*codes, kernel, similarity, data.queries, data.rows,
                                        kDimension, k, {.exclude_rows = exclude});
          ASSERT_EQ(got.size(), expected.size());
          for (size_t q = 0; q < got.size(); ++q) {
            ASSERT_EQ(Rows(got[q]), Rows(expected[q]))
                << kernel.name << ", head " << options.head << ", k " << k << ", query " << q;
            for (size_t i = 0; i < got[q].size(); ++i) {
              ASSERT_EQ(got[q][i].score, expected[q][i].score);
            }
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Data, BoundedScan, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

using BoundedScanOnce = BoundedScan;

TEST_F(BoundedScanOnce, RulesOutNearlyAllRowsOfClusteredVectors) {
  const Data data = Clustered();
  const auto codes = Codes(Similarity::kInnerProduct, data.rows, {.head = 32});
  int64_t scored = 0;
  ScanByBounds(*codes, BestCodeKernel(), Similarity::kInnerProduct, data.queries, data.rows,
               kDimension, 20, {}, &scored);
  EXPECT_GE(scored, 20 * kQueries);
  EXPECT_LT(scored, kRows * kQueries / 5);
}

// Of so many queries each thread takes its own to all chunks.
TEST_F(BoundedScanOnce, OfManyQueriesEqualsThePlainScanToo) {
  constexpr int64_t kMany = 456;  // a pass, and one whose last part is not whole
  const Data data = Clustered();
  const std::vector<float> queries(data.rows.begin() + 500 * kDimension,
                                   data.rows.begin() + (500 + kMany) * kDimension);
  std::vector<int64_t> exclude;
  for (int64_t q = 0; q < kMany; ++q) exclude.push_back(q % 3 == 0 ? -1 : 500 + q);
  const auto codes = Codes(Similarity::kInnerProduct, data.rows, {.head = 16});
  const int threads = omp_get_max_threads();
  if (threads > 1) omp_set_num_threads(2);  // with more, a pass has too few queries for it
  for (const int64_t k : {1, 20, 2048}) {
    const auto got = ScanByBounds(*codes, BestCodeKernel(), Similarity::kInnerProduct, queries,
                                  data.rows, kDimension, k, {.exclude_rows = exclude});
    const auto expected = ScanExactly(Similarity::kInnerProduct, queries, data.rows, kDimension, k,
                                      {.exclude_rows = exclude});
    ASSERT_EQ(got.size(), expected.size());
    for (size_t q = 0; q < got.size(); ++q) {
      ASSERT_EQ(Rows(got[q]), Rows(expected[q])) << "k " << k << ", query " << q;
    }
  }
  omp_set_num_threads(threads);
}

TEST_F(BoundedScanOnce, CodesAreNotWrittenWhereTheyDoNotPay) {
  const auto path = folder_.path() / "codes.bin";
  // Few rows.
  EXPECT_FALSE(WriteRowCodes(path, Similarity::kL2, RandomVectors(500, kDimension, 1), kDimension));
  // Lengths whose squares leave float32's range, even when asked for.
  auto rows = RandomVectors(500, kDimension, 1);
  rows[77] = 1e25f;
  EXPECT_FALSE(WriteRowCodes(path, Similarity::kInnerProduct, rows, kDimension, {.head = 32}));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(BoundedScanOnce, CodesOfOtherRowsAreRefused) {
  const auto rows = RandomVectors(500, kDimension, 1);
  const auto path = folder_.path() / "codes.bin";
  ASSERT_TRUE(WriteRowCodes(path, Similarity::kL2, rows, kDimension, {.head = 8}));
  const auto open = [&](Similarity similarity, int64_t count, int64_t dimension) {
    return [&path, similarity, count, dimension] {
      RowCodes(MappedFile(path), similarity, count, dimension, "codes.bin");
    };
  };
  const auto kLoss = absl::StatusCode::kDataLoss;
  ExpectError(kLoss, {"codes.bin", "500 x 48", "expected 501"}, open(Similarity::kL2, 501, 48));
  ExpectError(kLoss, {"codes.bin", "500 x 48", "x 52"}, open(Similarity::kL2, 500, 52));
  ExpectError(kLoss, {"codes.bin"}, open(Similarity::kInnerProduct, 500, 48));
  const std::string good = ReadBytes(path);
  WriteBytes(path, good.substr(0, good.size() - 1));
  ExpectError(kLoss, {"codes.bin", "bytes, expected"}, open(Similarity::kL2, 500, 48));
  WriteBytes(path, good.substr(0, 10));
  ExpectError(kLoss, {"codes.bin", "too short"}, open(Similarity::kL2, 500, 48));
  std::string other = good;
  other[0] = 'X';
  WriteBytes(path, other);
  ExpectError(kLoss, {"codes.bin", "not row codes"}, open(Similarity::kL2, 500, 48));
}

// Forged files: whatever a list or an order says, no row outside the index is ever looked at.
TEST_F(BoundedScanOnce, ListsThatCannotBeAreRefused) {
  const auto rows = RandomVectors(500, kDimension, 1);
  const auto path = folder_.path() / "codes.bin";
  ASSERT_TRUE(WriteRowCodes(path, Similarity::kL2, rows, kDimension, {.head = 8, .lists = 9}));
  const std::string good = ReadBytes(path);
  RowCodesHeader header;
  std::memcpy(&header, good.data(), sizeof(header));
  EXPECT_EQ(header.lists, 9);
  const RowCodesPlan plan(header);
  const auto open = [&] { RowCodes(MappedFile(path), Similarity::kL2, 500, kDimension, "c.bin"); };
  open();
  const auto forge = [&](int64_t place, uint32_t value) {
    std::string bad = good;
    std::memcpy(bad.data() + place, &value, sizeof(value));
    WriteBytes(path, bad);
  };
  const auto kLoss = absl::StatusCode::kDataLoss;
  forge(plan.order, 500);
  ExpectError(kLoss, {"c.bin", "row 500"}, open);
  uint32_t second;
  std::memcpy(&second, good.data() + plan.order + 4, sizeof(second));
  forge(plan.order, second);
  ExpectError(kLoss, {"c.bin", "position"}, open);
  forge(plan.order, kNoRow);
  ExpectError(kLoss, {"c.bin", "499 rows"}, open);
  forge(plan.list_ends + 8 * 4, 1 << 30);
  ExpectError(kLoss, {"c.bin", "lists of"}, open);
  forge(plan.list_ends, 1 << 30);
  ExpectError(kLoss, {"c.bin", "list 1 ends before"}, open);
}

// A whole index large enough for codes, through its own door.
TEST(IndexWithCodes, SearchesLikeThePlainScanAndSurvivesADamagedCodesFile) {
  TestFolder folder;
  constexpr int64_t kD = 512, kN = 8300;
  const auto vectors = ClusteredVectors(kN, kD, 40, 11);
  const auto index = MakeIndex(folder.path(), {.metric = "l2", .dimension = kD}, vectors);
  const auto codes = layout::SnapshotFolder(folder.path(), 1) / layout::kCodesFile;
  ASSERT_TRUE(std::filesystem::exists(codes));
  const std::vector<float> queries(vectors.begin(), vectors.begin() + 9 * kD);
  const auto expected = ScanExactly(Similarity::kL2, queries, vectors, kD, 20, {});
  const auto check = [&](const VectorIndex& opened) {
    const auto got = opened.Search(queries, {.k = 20});
    for (size_t q = 0; q < 9; ++q) EXPECT_EQ(Rows(got[q]), Rows(expected[q]));
  };
  check(*index);
  std::string bytes = ReadBytes(codes);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  WriteBytes(codes, bytes);
  ExpectError(absl::StatusCode::kDataLoss, {layout::kCodesFile}, [&] { OpenIndex(folder.path()); });
}

}  // namespace
}  // namespace fluke
