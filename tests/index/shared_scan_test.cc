// Queries that share what they read get what each would have got alone.
#include "index/shared_scan.h"

#include <gtest/gtest.h>

#include "index/exact_scan.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using testing::RandomVectors;

TEST(SharedScan, FindsTheBestOfTheRowsAskedForAndOfThoseKnown) {
  constexpr int64_t kDimension = 40, kRows = 30000, kQueries = 9, kTop = 7;
  const auto rows = RandomVectors(kRows, kDimension, 1);
  const auto queries = RandomVectors(kQueries, kDimension, 2);
  for (const Similarity similarity : {Similarity::kInnerProduct, Similarity::kL2}) {
    std::vector<AskedRows> asked;
    std::vector<std::vector<Neighbor>> expected;
    for (int64_t q = 0; q < kQueries; ++q) {
      const auto query =
          std::span(queries).subspan(static_cast<size_t>(q * kDimension), kDimension);
      AskedRows one(kTop);
      one.query = query.data();
      RowSet all(kRows);
      // Query 0 asks for nothing, 1 for one row; each other for a different part, clustered or not.
      for (int64_t row = 0; row < kRows; ++row) {
        const bool wanted = q == 1 ? row == 777 : q > 1 && (row / (q % 2 == 0 ? 1 : 500)) % q == 1;
        if (!wanted) continue;
        all.Insert(row);
        one.rows.push_back(row);
      }
      // One that is known from elsewhere, and is the query's own best.
      Neighbor known{.row = kRows + q, .score = similarity == Similarity::kL2 ? 0.0f : 1e6f};
      one.best.Offer(known);
      auto found =
          ScanExactly(similarity, query, rows, kDimension, kTop, {.allowed = &all}).front();
      found.insert(found.begin(), known);
      if (found.size() > kTop) found.resize(kTop);
      expected.push_back(found);
      asked.push_back(std::move(one));
    }
    ScanShared(similarity, rows, kDimension, asked);
    for (size_t q = 0; q < expected.size(); ++q) {
      const auto got = asked[q].best.Sorted();
      ASSERT_EQ(got.size(), expected[q].size()) << "query " << q;
      for (size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i].row, expected[q][i].row) << "query " << q << ", place " << i;
        EXPECT_EQ(got[i].score, expected[q][i].score) << "query " << q << ", place " << i;
      }
    }
  }
}

}  // namespace
}  // namespace fluke
