#include "index/score_kernels.h"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using testing::RandomVectors;

// Dimensions around the 16 lanes, counts around the tiles.
constexpr int64_t kDimensions[] = {1, 3, 15, 16, 17, 31, 64, 100, 257};
constexpr int64_t kCounts[] = {1, 2, 3, 4, 5, 7, 9};

std::vector<float> ScoresOf(ScoreFunction score, const std::vector<float>& queries,
                            const std::vector<float>& rows, int64_t d) {
  const int64_t n = static_cast<int64_t>(queries.size()) / d;
  const int64_t m = static_cast<int64_t>(rows.size()) / d;
  std::vector<float> scores(static_cast<size_t>(n * m));
  score(queries.data(), n, rows.data(), m, d, scores.data());
  return scores;
}

TEST(ScoreKernels, AgreeWithDoublePrecision) {
  for (const int64_t d : kDimensions) {
    const auto queries = RandomVectors(5, d, 1), rows = RandomVectors(9, d, 2);
    for (const ScoreKernel& kernel : ScoreKernels()) {
      if (!kernel.supported()) continue;
      const auto products = ScoresOf(kernel.inner_product, queries, rows, d);
      const auto distances = ScoresOf(kernel.negative_l2, queries, rows, d);
      for (size_t q = 0; q < 5; ++q) {
        for (size_t r = 0; r < 9; ++r) {
          double product = 0, distance = 0;
          for (size_t j = 0; j < static_cast<size_t>(d); ++j) {
            const double a = queries[q * static_cast<size_t>(d) + j];
            const double b = rows[r * static_cast<size_t>(d) + j];
            product += a * b;
            distance += (a - b) * (a - b);
          }
          EXPECT_NEAR(products[q * 9 + r], product, 1e-6 * static_cast<double>(d) + 1e-6)
              << kernel.name << ", dimension " << d;
          EXPECT_NEAR(distances[q * 9 + r], -distance, 1e-6 * distance + 1e-6)
              << kernel.name << ", dimension " << d;
        }
      }
    }
  }
}

TEST(ScoreKernels, GiveTheSameBitsOnEveryInstructionSet) {
  for (const int64_t d : kDimensions) {
    const auto queries = RandomVectors(7, d, 3), rows = RandomVectors(9, d, 4);
    const auto expected = ScoresOf(ScoreKernels().back().inner_product, queries, rows, d);
    const auto expected_l2 = ScoresOf(ScoreKernels().back().negative_l2, queries, rows, d);
    for (const ScoreKernel& kernel : ScoreKernels()) {
      if (!kernel.supported()) continue;
      EXPECT_EQ(ScoresOf(kernel.inner_product, queries, rows, d), expected) << kernel.name << d;
      EXPECT_EQ(ScoresOf(kernel.negative_l2, queries, rows, d), expected_l2) << kernel.name << d;
    }
  }
}

TEST(ScoreKernels, GiveAPairTheSameBitsWhateverElseIsInTheTile) {
  const int64_t d = 37;
  const auto queries = RandomVectors(9, d, 5), rows = RandomVectors(9, d, 6);
  for (const ScoreKernel& kernel : ScoreKernels()) {
    if (!kernel.supported()) continue;
    const auto all = ScoresOf(kernel.inner_product, queries, rows, d);
    for (const int64_t n : kCounts) {
      for (const int64_t m : kCounts) {
        const auto some = ScoresOf(kernel.inner_product, {queries.begin(), queries.begin() + n * d},
                                   {rows.begin(), rows.begin() + m * d}, d);
        for (int64_t q = 0; q < n; ++q) {
          EXPECT_EQ(0, std::memcmp(some.data() + q * m, all.data() + q * 9,
                                   static_cast<size_t>(m) * sizeof(float)));
        }
      }
    }
  }
}

TEST(ScoreKernels, GiveRowsFromAnywhereTheSameBits) {
  for (const int64_t d : kDimensions) {
    const auto query = RandomVectors(1, d, 7), rows = RandomVectors(21, d, 8);
    for (const ScoreKernel& kernel : ScoreKernels()) {
      if (!kernel.supported()) continue;
      const auto products = ScoresOf(kernel.inner_product, query, rows, d);
      const auto distances = ScoresOf(kernel.negative_l2, query, rows, d);
      std::vector<const float*> scattered;
      for (int64_t i = 0; i < 21; ++i) scattered.push_back(rows.data() + i * 8 % 21 * d);
      for (int64_t n = 0; n <= 21; ++n) {
        std::vector<float> scores(21, -1), l2_scores(21, -1);
        kernel.each_inner_product(query.data(), scattered.data(), n, d, scores.data());
        kernel.each_negative_l2(query.data(), scattered.data(), n, d, l2_scores.data());
        for (int64_t i = 0; i < 21; ++i) {
          const auto at = static_cast<size_t>(i), row = static_cast<size_t>(i * 8 % 21);
          EXPECT_EQ(scores[at], i < n ? products[row] : -1) << kernel.name << d;
          EXPECT_EQ(l2_scores[at], i < n ? distances[row] : -1) << kernel.name << d;
        }
      }
    }
  }
}

}  // namespace
}  // namespace fluke
