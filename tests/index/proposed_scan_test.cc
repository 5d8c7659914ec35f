// What another engine proposes is the exact answer or none, whatever its scores' error.
#include "index/proposed_scan.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "index/exact_scan.h"
#include "index/layout.h"
#include "index/reader.h"
#include "index/row_codes_writer.h"
#include "index/score_kernels.h"
#include "index/snapshot.h"
#include "index/snapshot_search.h"
#include "index/writer.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using namespace fluke::testing;  // NOLINT: the fixtures of this room

constexpr int64_t kDimension = 24, kRows = 3000, kQueries = 40;

// The true scores, each moved by up to `error`; every row is looked at.
class NoisyProposer : public Proposer {
 public:
  NoisyProposer(Similarity similarity, const std::vector<float>& rows, double error,
                double admitted_error)
      : similarity_(similarity), rows_(rows), error_(error), admitted_error_(admitted_error) {}

  int64_t most() const override { return 500; }
  double ScoreError(std::span<const float>) const override { return admitted_error_; }

  void Propose(std::span<const float> queries, int64_t count, int, std::span<int64_t> rows,
               std::span<float> scores) const override {
    const auto total = static_cast<int64_t>(rows_.size()) / kDimension;
    std::vector<float> all(static_cast<size_t>(total));
    for (int64_t q = 0; q < static_cast<int64_t>(queries.size()) / kDimension; ++q) {
      BestScoreKernel().of(similarity_)(queries.data() + q * kDimension, 1, rows_.data(), total,
                                        kDimension, all.data());
      std::vector<std::pair<float, int64_t>> ranked;
      for (int64_t row = 0; row < total; ++row) {
        const double moved = error_ * std::sin(static_cast<double>(row * 7919 + q));
        ranked.emplace_back(static_cast<float>(all[static_cast<size_t>(row)] + moved), row);
      }
      std::partial_sort(ranked.begin(), ranked.begin() + count, ranked.end(), std::greater<>());
      for (int64_t i = 0; i < count; ++i) {
        const auto at = static_cast<size_t>(q * count + i);
        scores[at] = ranked[static_cast<size_t>(i)].first;
        rows[at] = ranked[static_cast<size_t>(i)].second;
      }
    }
  }

 private:
  Similarity similarity_;
  const std::vector<float>& rows_;
  double error_, admitted_error_;
};

// How many queries are answered; each as the plain scan answers it.
int64_t Answered(const Proposer& proposer, Similarity similarity, const std::vector<float>& rows,
                 const std::vector<float>& queries, int64_t k, const SearchScope& scope = {}) {
  const auto expected = ScanExactly(similarity, queries, rows, kDimension, k, scope);
  const auto got = ScanProposed(proposer, similarity, queries, rows, kDimension, k, scope);
  int64_t answered = 0;
  for (size_t q = 0; q < expected.size(); ++q) {
    if (!got[q]) continue;
    ++answered;
    EXPECT_EQ(got[q]->size(), expected[q].size());
    for (size_t i = 0; i < got[q]->size(); ++i) {
      EXPECT_EQ((*got[q])[i].row, expected[q][i].row) << "query " << q << ", place " << i;
      EXPECT_EQ((*got[q])[i].score, expected[q][i].score) << "query " << q << ", place " << i;
    }
  }
  return answered;
}

TEST(ProposedScan, AnswersWhatItCanShowAndNothingElse) {
  const auto rows = ClusteredVectors(kRows, kDimension, 40, 1);
  const auto queries = ClusteredVectors(kQueries, kDimension, 40, 1);
  for (const Similarity similarity : {Similarity::kInnerProduct, Similarity::kL2}) {
    EXPECT_EQ(
        Answered({NoisyProposer(similarity, rows, 1e-6, 1e-6)}, similarity, rows, queries, 10),
        kQueries);
    // So wrong that the best may not even be proposed: whatever is answered is right.
    Answered({NoisyProposer(similarity, rows, 0.3, 0.3)}, similarity, rows, queries, 10);
    EXPECT_EQ(Answered({NoisyProposer(similarity, rows, 1e-6, 1e6)}, similarity, rows, queries, 10),
              0);
    EXPECT_EQ(
        Answered({NoisyProposer(similarity, rows, 1e-6, std::numeric_limits<double>::quiet_NaN())},
                 similarity, rows, queries, 10),
        0);
  }
}

TEST(ProposedScan, LeavesTiesAtTheEdgeOpen) {
  // Many equal rows: which of them are best goes by their numbers, which a GPU does not promise.
  std::vector<float> rows;
  const auto two = RandomVectors(2, kDimension, 3);
  for (int64_t i = 0; i < kRows; ++i) {
    rows.insert(rows.end(), two.begin() + i % 2 * kDimension,
                two.begin() + (i % 2 + 1) * kDimension);
  }
  const std::vector<float> queries(two.begin(), two.begin() + kDimension);
  EXPECT_EQ(
      Answered({NoisyProposer(Similarity::kL2, rows, 0, 0)}, Similarity::kL2, rows, queries, 5), 0);
}

TEST(ProposedScan, LeavesOutTheQueryItselfAndKnowsSmallIndexes) {
  const auto rows = RandomVectors(50, kDimension, 4);
  const NoisyProposer proposer(Similarity::kInnerProduct, rows, 1e-6, 1e-6);
  const std::vector<float> queries(rows.begin(), rows.begin() + 3 * kDimension);
  const std::vector<int64_t> self = {0, 1, 2};
  EXPECT_EQ(Answered(proposer, Similarity::kInnerProduct, rows, queries, 5, {.exclude_rows = self}),
            3);
  EXPECT_EQ(
      Answered(proposer, Similarity::kInnerProduct, rows, queries, 50, {.exclude_rows = self}), 3);
  // More than it can propose: nothing is answered.
  const auto many = RandomVectors(kRows, kDimension, 5);
  EXPECT_EQ(Answered(NoisyProposer(Similarity::kInnerProduct, many, 0, 0),
                     Similarity::kInnerProduct, many, queries, 501),
            0);
}

// Counts how often it is asked, and by how many queries.
class CountingProposer : public NoisyProposer {
 public:
  CountingProposer(const std::vector<float>& rows, std::vector<int64_t>& asked)
      : NoisyProposer(Similarity::kInnerProduct, rows, 1e-6, 1e-5), asked_(asked) {}
  void Propose(std::span<const float> queries, int64_t count, int nprobe, std::span<int64_t> found,
               std::span<float> scores) const override {
    asked_.push_back(static_cast<int64_t>(queries.size()) / kDimension);
    NoisyProposer::Propose(queries, count, nprobe, found, scores);
  }

 private:
  std::vector<int64_t>& asked_;
};

TEST(SearchSnapshot, AsksAGpuForManyQueriesOrWhereThereAreNoCodes) {
  const TestFolder folder;
  const auto rows = ClusteredVectors(kRows, kDimension, 40, 7);
  const auto index = folder.path() / "index";
  const auto on_cpu = MakeIndex(index, {.metric = "ip", .dimension = kDimension}, rows);
  for (const bool has_codes : {true, false}) {
    std::vector<int64_t> asked;
    Snapshot snapshot{.number = 1,
                      .manifest = ReadSnapshotManifest(index, 1),
                      .vectors = MappedNpy(layout::SnapshotFolder(index, 1) / layout::kVectorsFile),
                      .items = ItemTable(std::vector<Item>()),
                      .candidates = nullptr,
                      .codes = nullptr,
                      .gpu = std::make_unique<CountingProposer>(rows, asked)};
    if (has_codes) {
      const auto path = folder.path() / "codes";
      ASSERT_TRUE(WriteRowCodes(path, Similarity::kInnerProduct, rows, kDimension, {.head = 16}));
      snapshot.codes = std::make_unique<RowCodes>(MappedFile(path), Similarity::kInnerProduct,
                                                  kRows, kDimension, path.string());
    }
    for (const int64_t n : {1, 15, 16, 40}) {
      const std::span queries(rows.data(), static_cast<size_t>(n * kDimension));
      const auto got = SearchSnapshot(snapshot, queries, {.k = 5}, {});
      const auto expected = on_cpu->Search(queries, {.k = 5});
      for (size_t q = 0; q < got.size(); ++q) {
        for (size_t i = 0; i < 5; ++i) EXPECT_EQ(got[q][i].row, expected[q][i].row);
      }
    }
    EXPECT_EQ(asked,
              has_codes ? std::vector<int64_t>({16, 40}) : std::vector<int64_t>({1, 15, 16, 40}));
  }
}

TEST(OpenIndex, KnowsTheDevicesAndAnswersTheSameOnEach) {
  const TestFolder folder;
  const auto rows = RandomVectors(300, kDimension, 6);
  for (const char* factory : {"Flat", "IVF8,Flat", "HNSW16", "IVF4,Codes"}) {
    const auto path = folder.path() / factory;
    const auto on_cpu =
        MakeIndex(path, {.factory = factory, .metric = "l2", .dimension = kDimension}, rows);
    const std::span queries(rows.data(), 10 * kDimension);
    const SearchOptions options{.k = 5};
    const auto expected = on_cpu->Search(queries, options);
    for (const bool float16 : {false, true}) {
      const auto got =
          OpenIndex(path, {.device = "gpu", .gpu_float16 = float16})->Search(queries, options);
      for (size_t q = 0; q < got.size(); ++q) EXPECT_EQ(got[q][0].row, expected[q][0].row);
    }
    ExpectError(absl::StatusCode::kInvalidArgument, {"tpu", "cpu", "gpu"},
                [&] { OpenIndex(path, {.device = "tpu"}); });
  }
}

}  // namespace
}  // namespace fluke
