#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using namespace fluke::testing;  // NOLINT: the fixtures of this room

void ExpectNeighbours(const std::vector<Neighbor>& got, const std::vector<Neighbor>& expected,
                      double tolerance) {
  ASSERT_EQ(Rows(got), Rows(expected));
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i].score, expected[i].score, tolerance);
  }
}

class ExactSearch : public ::testing::TestWithParam<std::string> {};

TEST_P(ExactSearch, EqualsANaiveScanInDoublePrecision) {
  TestFolder folder;
  const Similarity similarity = ParseSimilarity(GetParam());
  for (const int64_t d : {3, 64, 129}) {
    const auto vectors = RandomVectors(3000, d, 1), queries = RandomVectors(300, d, 2);
    const auto index = MakeIndex(folder.path() / std::to_string(d),
                                 {.metric = GetParam(), .dimension = d}, vectors);
    for (const int k : {1, 20, 2048}) {
      const auto results = index->Search(queries, {.k = k});
      ASSERT_EQ(results.size(), 300u);
      for (size_t q = 0; q < results.size(); q += 37) {
        const auto query =
            std::span(queries).subspan(q * static_cast<size_t>(d), static_cast<size_t>(d));
        const auto expected = NaiveSearch(similarity, query, vectors, k);
        if (k <= 20) {
          ExpectNeighbours(results[q], expected, 1e-4);
        } else {  // neighbours a float32 rounding apart may change places
          ASSERT_EQ(results[q].size(), expected.size());
          for (size_t i = 0; i < expected.size(); ++i) {
            EXPECT_NEAR(results[q][i].score, expected[i].score, 1e-4);
          }
        }
      }
    }
  }
}

TEST_P(ExactSearch, GivesAQueryTheSameBitsAloneAndInABatch) {
  TestFolder folder;
  const int64_t d = 100;
  // More queries than one pass holds, more rows than one block.
  const auto vectors = ClusteredVectors(5000, d, 50, 3), queries = RandomVectors(300, d, 4);
  const auto index = MakeIndex(folder.path(), {.metric = GetParam(), .dimension = d}, vectors);
  const auto batch = index->Search(queries, {.k = 25});
  for (size_t q = 0; q < 300; q += 7) {
    const auto alone = index->Search(std::span(queries).subspan(q * 100, 100), {.k = 25});
    ASSERT_EQ(Rows(alone[0]), Rows(batch[q]));
    for (size_t i = 0; i < 25; ++i) EXPECT_EQ(alone[0][i].score, batch[q][i].score);
  }
}

TEST_P(ExactSearch, OrdersEqualScoresByRow) {
  TestFolder folder;
  // 400 rows that are copies of 4 vectors: a hundredfold tie each, cut by k.
  const auto four = RandomVectors(4, 8, 5);
  std::vector<float> vectors;
  for (int i = 0; i < 100; ++i) vectors.insert(vectors.end(), four.begin(), four.end());
  const auto index = MakeIndex(folder.path(), {.metric = GetParam(), .dimension = 8}, vectors);
  const auto query = std::span(four).subspan(16, 8);
  const auto best = NaiveSearch(ParseSimilarity(GetParam()), query, four, 1)[0].row;
  const auto result = index->Search(query, {.k = 30})[0];
  for (int64_t i = 0; i < 30; ++i) EXPECT_EQ(result[static_cast<size_t>(i)].row, best + 4 * i);
}

TEST_P(ExactSearch, LeavesOutTheExcludedRowAndStillFindsK) {
  TestFolder folder;
  const auto vectors = RandomVectors(200, 16, 6);
  const auto index = MakeIndex(folder.path(), {.metric = GetParam(), .dimension = 16}, vectors);
  const std::vector<float> queries(vectors.begin(), vectors.begin() + 2 * 16);
  const std::vector<int64_t> exclude = {0, -1};
  const auto results = index->Search(queries, {.k = 10}, exclude);
  const Similarity similarity = ParseSimilarity(GetParam());
  ExpectNeighbours(results[0],
                   NaiveSearch(similarity, std::span(queries).first(16), vectors, 10, 0), 1e-5);
  ExpectNeighbours(results[1], NaiveSearch(similarity, std::span(queries).last(16), vectors, 10),
                   1e-5);
}

INSTANTIATE_TEST_SUITE_P(Metrics, ExactSearch, ::testing::Values("cosine", "ip", "l2"),
                         [](const auto& test) { return test.param; });

// 3-4-5 triangles: cosine of (3, 4) with (4, 3) is 24/25, with (0, 5) 20/25, with (-3, -4) -1.
TEST(ExactSearchByHand, GivesCosinesInnerProductsAndNegativeSquaredDistances) {
  TestFolder folder;
  const std::vector<float> vectors = {4, 3, 0, 5, -3, -4}, query = {3, 4};
  const auto scores = [&](const std::string& metric) {
    const auto index =
        MakeIndex(folder.path() / metric, {.metric = metric, .dimension = 2}, vectors);
    std::vector<float> found;
    const auto result = index->Search(query, {.k = 3})[0];
    for (const Neighbor& neighbor : result) {
      found.push_back(neighbor.score);
    }
    return found;
  };
  const auto cosines = scores("cosine");
  EXPECT_NEAR(cosines[0], 0.96, 1e-6);
  EXPECT_NEAR(cosines[1], 0.8, 1e-6);
  EXPECT_NEAR(cosines[2], -1, 1e-6);
  EXPECT_EQ(scores("ip"), (std::vector<float>{24, 20, -25}));
  EXPECT_EQ(scores("l2"), (std::vector<float>{-2, -10, -100}));
}

TEST(ExactSearchLimits, ReturnsTheWholeGalleryWhenKIsLarger) {
  TestFolder folder;
  const auto vectors = RandomVectors(5, 4, 7);
  const auto index = MakeIndex(folder.path(), {.dimension = 4}, vectors);
  const auto query = std::span(vectors).first(4);
  EXPECT_EQ(index->Search(query, {.k = 20})[0].size(), 5u);
  EXPECT_EQ(index->Search(query, {.k = std::numeric_limits<int>::max()})[0].size(), 5u);
  const std::vector<int64_t> exclude = {0};
  EXPECT_EQ(index->Search(query, {.k = 20}, exclude)[0].size(), 4u);
}

TEST(ExactSearchLimits, FindsNothingInAnEmptyIndex) {
  TestFolder folder;
  const auto index = MakeIndex(folder.path(), {.dimension = 4}, {});
  const std::vector<float> query = {1, 2, 3, 4};
  const auto results = index->Search(query, {});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0].empty());
}

TEST(ExactSearchLimits, RefusesQueriesThatCannotBeCompared) {
  TestFolder folder;
  const auto index = MakeIndex(folder.path(), {.dimension = 4}, RandomVectors(9, 4, 8));
  const auto search = [&](std::vector<float> query, SearchOptions options = {}) {
    return [&index, query, options] { index->Search(query, options); };
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const auto kInvalid = absl::StatusCode::kInvalidArgument;
  ExpectError(kInvalid, {"3 values", "dimension, 4"}, search({1, 2, 3}));
  ExpectError(kInvalid, {"query 1", "value 2", "nan"}, search({1, 2, 3, 4, 1, 2, nan, 4}));
  ExpectError(kInvalid, {"query 0", "inf"}, search({1, infinity, 3, 4}));
  ExpectError(kInvalid, {"query 0", "zero"}, search({0, 0, 0, 0}));
  ExpectError(kInvalid, {"k is 0"}, search({1, 2, 3, 4}, {.k = 0}));
  ExpectError(kInvalid, {"nprobe", "exact"}, search({1, 2, 3, 4}, {.nprobe = 3}));
}

TEST(ExactSearchLimits, ComparesVeryShortAndVeryLongVectorsByCosine) {
  TestFolder folder;
  const float tiny = std::numeric_limits<float>::denorm_min() * 1000, huge = 3e38f;
  const std::vector<float> vectors = {tiny, 0, 0, huge, huge, huge};
  const auto index = MakeIndex(folder.path(), {.dimension = 2}, vectors);
  const auto result = index->Search(std::vector<float>{huge, huge}, {.k = 3})[0];
  EXPECT_EQ(Rows(result), (std::vector<int64_t>{2, 0, 1}));
  EXPECT_NEAR(result[0].score, 1, 1e-6);
  EXPECT_NEAR(result[1].score, std::sqrt(0.5), 1e-6);
}

TEST(ExactSearchLimits, RefusesVectorsWhoseScoresOverflow) {
  TestFolder folder;
  const auto writer = CreateIndex(folder.path(), {.metric = "l2", .dimension = 2});
  ExpectError(absl::StatusCode::kInvalidArgument, {"photo0", "overflow"}, [&] {
    writer->Add(NumberedItems(1), std::vector<float>{3e38f, 3e38f});
  });
}

}  // namespace
}  // namespace fluke
