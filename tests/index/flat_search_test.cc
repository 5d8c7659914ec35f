#include "index/flat_search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "common/random.h"
#include "index/exact_scan.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

// Unit rows around few centres, so that codes pay.
std::vector<float> Clustered(int64_t rows, int64_t dimension) {
  constexpr int64_t kDirections = 12;
  std::vector<float> vectors(rows * dimension);
  for (int64_t i = 0; i < rows; ++i) {
    Random random(RandomKey({3, static_cast<uint64_t>(i)}));
    double squares = 0;
    for (int64_t j = 0; j < dimension; ++j) {
      const double scale = j < kDirections ? 1 : .02;
      vectors[i * dimension + j] = static_cast<float>(scale * random.Normal());
      squares += std::pow(vectors[i * dimension + j], 2);
    }
    for (int64_t j = 0; j < dimension; ++j) {
      vectors[i * dimension + j] /= static_cast<float>(std::sqrt(squares));
    }
  }
  return vectors;
}

TEST(FlatSearch, FindsWhatTheScanFindsWithCodesAndWithout) {
  const Scratch scratch;
  for (const int64_t rows : {300, 50000}) {
    const std::vector<float> vectors = Clustered(rows, 96);
    const FlatSearch search(vectors, 96, scratch.folder());
    EXPECT_EQ(search.has_codes(), rows == 50000);
    const auto queries = std::span(vectors).first(40 * 96);
    for (const int64_t k : {1, 20, 299}) {
      const auto found = search.Search(queries, k);
      const auto expected = ScanExactly(Similarity::kCosine, queries, vectors, 96, k);
      ASSERT_EQ(found.size(), expected.size());
      for (size_t q = 0; q < found.size(); ++q) {
        ASSERT_EQ(found[q].size(), expected[q].size());
        for (size_t i = 0; i < found[q].size(); ++i) {
          EXPECT_EQ(found[q][i].row, expected[q][i].row);
          EXPECT_EQ(found[q][i].score, expected[q][i].score);
        }
      }
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(scratch.folder()));
}

}  // namespace
}  // namespace fluke
