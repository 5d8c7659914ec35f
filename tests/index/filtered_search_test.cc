// Filters, groups and thresholds: exact in their number whatever the kind of index.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "index/live_index.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using namespace fluke::testing;  // NOLINT: the fixtures of this room

constexpr int64_t kDimension = 24;
constexpr int64_t kRows = 6000;
constexpr int64_t kQueries = 12;

struct Kind {
  const char* name;
  const char* factory;
  double least_recall;  // of the true neighbours among the matches
};

std::vector<Item> Catalogue() {
  std::vector<Item> items;
  for (int64_t i = 0; i < kRows; ++i) {
    items.push_back(
        {.id = IdOf(i),
         .identity = i % 11 == 0 ? "" : StrCat("whale", i % 40),
         .path = "",
         .metadata = {{"half", StrCat(i % 2)}, {"tenth", StrCat(i % 10)}, {"number", StrCat(i)}}});
  }
  return items;
}

class FilteredSearch : public ::testing::TestWithParam<Kind> {
 protected:
  // Some rows are replaced, removed and new since the snapshot.
  FilteredSearch() {
    const IndexOptions options = {.factory = GetParam().factory, .dimension = kDimension};
    {
      const auto writer = CreateIndex(folder_.path() / "index", options);
      writer->Add(items_, vectors_);
      writer->Commit();
    }
    live_ = OpenLiveIndex(folder_.path() / "index", {.compact_after_rows = -1});
    for (int64_t i = 0; i < 200; ++i) {
      const int64_t number = 29 * i;
      if (i % 2 == 0) {
        live_->Remove({IdOf(number)});
        gone_.insert(number);
      } else {
        const auto vector = RandomVectors(1, kDimension, static_cast<uint64_t>(900 + i));
        live_->Upsert({items_[static_cast<size_t>(number)]}, vector);
        std::copy(vector.begin(), vector.end(), vectors_.begin() + number * kDimension);
      }
    }
  }

  std::vector<float> Query(int64_t q) const {
    return {queries_.begin() + q * kDimension, queries_.begin() + (q + 1) * kDimension};
  }

  // Of the same kind as the rows.
  std::vector<float> NearSomeRows() const {
    std::vector<float> queries = RandomVectors(kQueries, kDimension, 8);
    for (int64_t i = 0; i < kQueries * kDimension; ++i) {
      const int64_t row = 17 + 450 * (i / kDimension);
      queries[static_cast<size_t>(i)] =
          vectors_[static_cast<size_t>(row * kDimension + i % kDimension)] +
          0.3f * queries[static_cast<size_t>(i)];
    }
    return queries;
  }

  // Numbers of the matching items by falling score.
  std::vector<std::pair<int64_t, float>> Truth(int64_t q, const Filter& filter) const {
    std::vector<float> matching;
    std::vector<int64_t> numbers;
    for (int64_t i = 0; i < kRows; ++i) {
      if (gone_.contains(i) || !Matches(filter, items_[static_cast<size_t>(i)])) continue;
      numbers.push_back(i);
      matching.insert(matching.end(), vectors_.begin() + i * kDimension,
                      vectors_.begin() + (i + 1) * kDimension);
    }
    std::vector<std::pair<int64_t, float>> truth;
    for (const Neighbor& neighbor :
         NaiveSearch(Similarity::kCosine, Query(q), matching, static_cast<int>(numbers.size()))) {
      truth.emplace_back(numbers[static_cast<size_t>(neighbor.row)], neighbor.score);
    }
    return truth;
  }

  TestFolder folder_;
  std::vector<Item> items_ = Catalogue();
  std::vector<float> vectors_ = ClusteredVectors(kRows, kDimension, 37, 2);
  std::vector<float> queries_ = NearSomeRows();
  std::set<int64_t> gone_;
  std::unique_ptr<LiveIndex> live_;
};

TEST_P(FilteredSearch, FindsAsManyAsMatchAndTheNearestOfThem) {
  const auto index = live_->Current();
  for (const char* text :
       {"half = \"1\"", "tenth in (\"3\", \"4\")", "number < 40", "number = 5999",
        "not half = \"0\" and number >= 3000", "exists(half)", "identity = \"whale3\"",
        "half = \"no such\"", "number < 70 or number >= 5950"}) {
    const Filter filter = ParseFilter(text);
    for (const int k : {1, 20, 300}) {
      int64_t right = 0, wanted = 0;
      const auto results = index->Search(queries_, {.k = k, .filter = &filter});
      for (int64_t q = 0; q < kQueries; ++q) {
        const auto truth = Truth(q, filter);
        const auto& found = results[static_cast<size_t>(q)];
        ASSERT_EQ(found.size(), std::min(truth.size(), static_cast<size_t>(k)))
            << text << ", k " << k;
        std::set<std::string> ids;
        for (size_t i = 0; i < found.size(); ++i) {
          const Item item = index->item(found[i].row);
          EXPECT_TRUE(Matches(filter, item)) << text << ": " << item.id;
          EXPECT_TRUE(ids.insert(item.id).second);
          EXPECT_LE(found[i].score, found[i == 0 ? 0 : i - 1].score);
        }
        for (size_t i = 0; i < found.size(); ++i) right += ids.contains(IdOf(truth[i].first));
        wanted += static_cast<int64_t>(found.size());
        // Alone as in a batch.
        EXPECT_EQ(Rows(index->Search(Query(q), {.k = k, .filter = &filter}).front()), Rows(found));
      }
      EXPECT_GE(static_cast<double>(right), GetParam().least_recall * static_cast<double>(wanted))
          << text << ", k " << k;
    }
  }
}

TEST_P(FilteredSearch, LeavesOutTheExcludedRowOfThoseThatMatch) {
  const auto index = live_->Current();
  const Filter filter = ParseFilter("number < 300");
  const auto all = index->Search(Query(0), {.k = 1000, .filter = &filter}).front();
  for (const size_t i : {size_t{0}, size_t{5}, all.size() - 1}) {
    const std::vector<int64_t> exclude = {all[i].row};
    std::vector<int64_t> expected = Rows(all);
    std::erase(expected, all[i].row);
    EXPECT_EQ(Rows(index->Search(Query(0), {.k = 1000, .filter = &filter}, exclude).front()),
              expected);
  }
}

TEST_P(FilteredSearch, StopsAtTheScoreThatIsAskedFor) {
  const auto index = live_->Current();
  const auto all = index->Search(Query(1), {.k = 50}).front();
  const float least = all[20].score;
  const auto near = index->Search(Query(1), {.k = 50, .min_score = least}).front();
  EXPECT_EQ(Rows(near), Rows({all.begin(), all.begin() + 21}));
  EXPECT_TRUE(index->Search(Query(1), {.k = 50, .min_score = 2}).front().empty());
  ExpectError(absl::StatusCode::kInvalidArgument, {"min_score"},
              [&] { index->Search(Query(1), {.k = 50, .min_score = std::nanf("")}); });
}

TEST_P(FilteredSearch, GivesTheBestPhotographOfEachIndividual) {
  const auto index = live_->Current();
  const Filter all = ParseFilter("exists(id)"), half = ParseFilter("half = \"1\"");
  for (const Filter* filter : {&all, &half}) {
    for (const int k : {1, 10, 39, 700}) {
      for (int64_t q = 0; q < 3; ++q) {
        std::vector<std::string> expected;
        std::set<std::string> seen;
        for (const auto& [number, score] : Truth(q, *filter)) {
          const std::string& identity = items_[static_cast<size_t>(number)].identity;
          if (!identity.empty() && !seen.insert(identity).second) continue;
          expected.push_back(IdOf(number));
        }
        if (static_cast<int>(expected.size()) > k) expected.resize(static_cast<size_t>(k));
        const auto found =
            index->Search(Query(q), {.k = k, .filter = filter, .one_per_identity = true}).front();
        ASSERT_EQ(found.size(), expected.size());
        size_t same = 0;
        seen.clear();
        for (size_t i = 0; i < found.size(); ++i) {
          const Item item = index->item(found[i].row);
          EXPECT_TRUE(item.identity.empty() || seen.insert(item.identity).second);
          same += item.id == expected[i];
        }
        EXPECT_GE(static_cast<double>(same),
                  (GetParam().least_recall == 1 ? 1 : 0) * static_cast<double>(expected.size()));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, FilteredSearch,
                         ::testing::Values(Kind{"flat", "Flat", 1},
                                           Kind{"lists", "IVF40,Codes", 0.85},
                                           Kind{"ivf", "IVF16,Flat", 0.9},
                                           Kind{"hnsw", "HNSW16", 0.9},
                                           Kind{"fast_scan", "IVF16,PQ12x4fs,RFlat", 0.7}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace fluke
