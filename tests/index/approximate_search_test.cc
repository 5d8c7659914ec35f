#include <omp.h>
#include <signal.h>
#include <sys/resource.h>

#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "index/approximate_index.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using namespace fluke::testing;  // NOLINT: the fixtures of this room

struct Kind {
  std::string name;
  std::string factory;
  double least_recall;  // at 10, of the defaults, on clustered vectors
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.factory; }

constexpr int64_t kDimension = 32;

class ApproximateSearch : public ::testing::TestWithParam<Kind> {
 protected:
  std::unique_ptr<VectorIndex> Make(const std::string& metric) const {
    return MakeIndex(folder_.path() / metric,
                     {.factory = GetParam().factory, .metric = metric, .dimension = kDimension},
                     vectors_);
  }

  TestFolder folder_;
  const std::vector<float> vectors_ = ClusteredVectors(6000, kDimension, 150, 1);
  const std::vector<float> queries_ = ClusteredVectors(60, kDimension, 150, 1);
};

TEST_P(ApproximateSearch, FindsMostTrueNeighboursAfterSavingAndLoading) {
  for (const std::string metric : {"cosine", "ip", "l2"}) {
    const auto index = Make(metric);
    EXPECT_EQ(index->Describe().factory, GetParam().factory);
    EXPECT_GE(Recall(*index, ParseSimilarity(metric), queries_, vectors_, {.k = 10}),
              GetParam().least_recall)
        << metric;
  }
}

// One index for several statements: training some of them takes seconds.
TEST_P(ApproximateSearch, ScoresLikeTheExactSearchAloneAndInABatchAndFindsAsManyAsThereAre) {
  const auto index = Make("cosine");
  const auto batch = index->Search(queries_, {.k = 10});
  for (size_t q = 0; q < batch.size(); ++q) {
    const auto query = std::span(queries_).subspan(q * kDimension, kDimension);
    const auto alone = index->Search(query, {.k = 10})[0];
    ASSERT_EQ(Rows(alone), Rows(batch[q]));
    const auto truth = NaiveSearch(Similarity::kCosine, query, vectors_, 6000);
    for (size_t i = 0; i < alone.size(); ++i) {
      EXPECT_EQ(alone[i].score, batch[q][i].score);
      const auto same = std::find_if(truth.begin(), truth.end(),
                                     [&](const Neighbor& n) { return n.row == alone[i].row; });
      EXPECT_NEAR(alone[i].score, same->score, 1e-5);
      EXPECT_TRUE(i == 0 || alone[i - 1].score >= alone[i].score);
    }
  }
  const std::vector<float> first_two(vectors_.begin(), vectors_.begin() + 2 * kDimension);
  const std::vector<int64_t> exclude = {0, 1};
  for (const int k : {1, 700, 5999, 50000}) {
    const auto results = index->Search(first_two, {.k = k}, exclude);
    for (size_t q = 0; q < 2; ++q) {
      EXPECT_EQ(results[q].size(), static_cast<size_t>(std::min(k, 5999)));
      for (const Neighbor& n : results[q]) EXPECT_NE(n.row, static_cast<int64_t>(q));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Factories, ApproximateSearch,
    ::testing::Values(Kind{"IvfFlat", "IVF256,Flat", 0.8}, Kind{"Hnsw", "HNSW32", 0.9},
                      Kind{"IvfFastScanRefined", "IVF64,PQ16x4fs,RFlat", 0.75},
                      Kind{"Codes", "IVF64,Codes", 0.9}, Kind{"CodesInLists", "IVF,Codes", 0.9},
                      Kind{"PcaFlat", "PCA16,Flat", 0.4}, Kind{"ScalarQuantizer", "SQ8", 0.9},
                      Kind{"PcaFastScanRefined", "PCA24,IVF64,PQ12x4fs,Refine(SQ8)", 0.6}),
    [](const auto& test) { return test.param.name; });

// Apart from the others, small and on one thread: learning the rotation takes fifty rounds of
// clustering, whose threads wait for each other so often that it takes a minute on a busy machine.
TEST(ApproximateIndex, LearnsSavesAndAppliesARotation) {
  TestFolder folder;
  const auto vectors = ClusteredVectors(300, 8, 30, 9);
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto index =
      MakeIndex(folder.path(), {.factory = "OPQ2_8,IVF8,PQ2,RFlat", .dimension = 8}, vectors);
  omp_set_num_threads(threads);
  EXPECT_GE(Recall(*index, Similarity::kCosine, vectors, vectors, {.k = 5, .nprobe = 8}), 0.9);
}

TEST(ApproximateIndex, FindsMoreWithLargerParametersAndLeavesOtherSearchesAlone) {
  TestFolder folder;
  const auto vectors = RandomVectors(6000, 24, 2), queries = RandomVectors(50, 24, 3);
  for (const std::string factory :
       {"IVF128,Flat", "IVF128,Codes", "IVF128,PQ12x4fs,RFlat", "HNSW8"}) {
    const auto index = MakeIndex(folder.path() / factory,
                                 {.factory = factory, .metric = "l2", .dimension = 24}, vectors);
    const bool graph = factory == "HNSW8";
    const auto recall = [&](int parameter) {
      SearchOptions options{.k = 10};
      (graph ? options.ef_search : options.nprobe) = parameter;
      return Recall(*index, Similarity::kL2, queries, vectors, options);
    };
    const auto before = index->Search(queries, {.k = 10});
    const double narrow = recall(graph ? 10 : 1), wide = recall(graph ? 800 : 128);
    EXPECT_LT(narrow, 0.75) << factory;
    EXPECT_GT(wide, 0.9) << factory;
    const auto after = index->Search(queries, {.k = 10});
    for (size_t q = 0; q < before.size(); ++q) EXPECT_EQ(Rows(before[q]), Rows(after[q]));
  }
}

TEST(ApproximateIndex, IsExactWhenEverythingIsVisited) {
  TestFolder folder;
  const auto vectors = RandomVectors(3000, 16, 4), queries = RandomVectors(30, 16, 5);
  const auto index = MakeIndex(folder.path(), {.factory = "IVF32,Flat", .dimension = 16}, vectors);
  EXPECT_EQ(Recall(*index, Similarity::kCosine, queries, vectors, {.k = 10, .nprobe = 32}), 1);
  constexpr int kHuge = std::numeric_limits<int>::max();
  EXPECT_EQ(Recall(*index, Similarity::kCosine, queries, vectors, {.k = 10, .nprobe = kHuge}), 1);
  const auto codes =
      MakeIndex(folder.path() / "codes", {.factory = "IVF32,Codes", .dimension = 16}, vectors);
  EXPECT_EQ(Recall(*codes, Similarity::kCosine, queries, vectors, {.k = 10, .nprobe = kHuge}), 1);
  const auto graph =
      MakeIndex(folder.path() / "graph", {.factory = "HNSW16", .dimension = 16}, vectors);
  // A node that no other links to cannot be reached.
  EXPECT_GE(Recall(*graph, Similarity::kCosine, queries, vectors, {.k = 10, .ef_search = kHuge}),
            0.99);
}

TEST(ApproximateIndex, RefusesParametersOfAnotherKindOfIndex) {
  TestFolder folder;
  const auto vectors = RandomVectors(2000, 16, 6);
  const auto query = std::span(vectors).first(16);
  const auto ivf =
      MakeIndex(folder.path() / "ivf", {.factory = "IVF16,Flat", .dimension = 16}, vectors);
  const auto hnsw =
      MakeIndex(folder.path() / "hnsw", {.factory = "HNSW16", .dimension = 16}, vectors);
  ExpectError(absl::StatusCode::kInvalidArgument, {"ef_search", "HNSW"},
              [&] { ivf->Search(query, {.ef_search = 50}); });
  ExpectError(absl::StatusCode::kInvalidArgument, {"nprobe", "IVF"},
              [&] { hnsw->Search(query, {.nprobe = 5}); });
}

// FAISS's own buffer holds 1 MB; a file-size limit stands in for a full disk.
TEST(ApproximateIndex, AFullDiskInTheMiddleOfALargeFileIsAnErrorAndReplacesNothing) {
  TestFolder folder;
  const ApproximateIndex index("IVF1,Flat", Similarity::kL2, 64, RandomVectors(8000, 64, 1));
  signal(SIGXFSZ, SIG_IGN);
  rlimit unlimited{};
  getrlimit(RLIMIT_FSIZE, &unlimited);
  rlimit tight = unlimited;
  tight.rlim_cur = 4096;
  setrlimit(RLIMIT_FSIZE, &tight);
  const std::filesystem::path path = folder.path() / "index.faiss";
  ExpectError(absl::StatusCode::kResourceExhausted, {path.string(), "nothing was replaced"},
              [&] { index.Write(path); });
  setrlimit(RLIMIT_FSIZE, &unlimited);
  signal(SIGXFSZ, SIG_DFL);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(ApproximateIndex, RefusesAFactoryStringThatIsNone) {
  TestFolder folder;
  for (const std::string factory :
       {"IFV256,Flat", "", "IVF,Flat", "PQ7", "IVF64,PQ5x4fs", "Flat,Flat", "IVF0,Codes",
        "IVF-3,Codes", "IVF8x,Codes", "Codes", "IVF99999999999999999999,Codes"}) {
    ExpectError(absl::StatusCode::kInvalidArgument, {"'" + factory + "'"},
                [&] { CreateIndex(folder.path(), {.factory = factory, .dimension = 32}); });
  }
}

TEST(ApproximateIndex, SaysHowManyVectorsWereTooFewToTrainOn) {
  TestFolder folder;
  ExpectError(absl::StatusCode::kInvalidArgument, {"IVF256,Flat", "100 vectors"}, [&] {
    MakeIndex(folder.path(), {.factory = "IVF256,Flat", .dimension = 8}, RandomVectors(100, 8, 7));
  });
}

TEST(ApproximateIndex, ReachesTheRecallThatItWasTunedForWithNoMoreThanItNeeds) {
  TestFolder folder;
  const auto vectors = ClusteredVectors(6000, 32, 300, 21);
  for (const std::string factory :
       {"IVF128,Codes", "IVF128,Flat", "IVF64,PQ16x4fs,RFlat", "HNSW8"}) {
    double before = 0;
    for (const double target : {0.5, 0.97}) {
      const auto index =
          MakeIndex(folder.path() / StrCat(factory, target),
                    {.factory = factory, .dimension = 32, .target_recall = target}, vectors);
      // Other rows than those that it was tuned on, for the most part: their own row is among
      // the 20.
      const std::vector<float> queries(vectors.begin(), vectors.begin() + 200 * 32);
      const double recall = Recall(*index, Similarity::kCosine, queries, vectors, {.k = 20});
      EXPECT_GE(recall, target - 0.03) << factory;
      EXPECT_GT(recall, before) << factory;
      before = recall;
    }
  }
  ExpectError(absl::StatusCode::kInvalidArgument, {"target recall", "1.5"},
              [&] { CreateIndex(folder.path() / "none", {.dimension = 4, .target_recall = 1.5}); });
}

TEST(ApproximateIndex, OfCodesAnswersWhateverTheVectorsAre) {
  TestFolder folder;
  // Fewer rows than lists, dimensions below a code's four, lengths beyond the codes' range.
  const auto few = MakeIndex(folder.path() / "few", {.factory = "IVF64,Codes", .dimension = 8},
                             RandomVectors(3, 8, 1));
  EXPECT_EQ(few->Search(RandomVectors(1, 8, 2), {.k = 20})[0].size(), 3u);
  const auto one = MakeIndex(folder.path() / "one", {.factory = "IVF64,Codes", .dimension = 8},
                             RandomVectors(1, 8, 1));
  EXPECT_EQ(one->Search(RandomVectors(1, 8, 2), {.k = 20})[0].size(), 1u);
  const auto narrow = RandomVectors(500, 2, 3);
  const auto flat = MakeIndex(folder.path() / "narrow",
                              {.factory = "IVF,Codes", .metric = "l2", .dimension = 2}, narrow);
  EXPECT_EQ(Recall(*flat, Similarity::kL2, RandomVectors(20, 2, 4), narrow, {.k = 10}), 1);
  auto huge = RandomVectors(500, 16, 5);
  for (float& value : huge) value *= 1e14f;
  const auto far = MakeIndex(folder.path() / "huge",
                             {.factory = "IVF,Codes", .metric = "ip", .dimension = 16}, huge);
  EXPECT_EQ(Recall(*far, Similarity::kInnerProduct, RandomVectors(20, 16, 6), huge, {.k = 10}), 1);
}

TEST(ParseFactory, KnowsListsOfCodes) {
  EXPECT_TRUE(ParseFactory("IVF,Codes").codes);
  EXPECT_EQ(ParseFactory("IVF,Codes").lists, 0);
  EXPECT_EQ(ParseFactory("IVF77,Codes").lists, 77);
  EXPECT_FALSE(ParseFactory("IVF77,Codes").exact());
  EXPECT_FALSE(ParseFactory("IVF77,PQ8").codes);
}

TEST(ParseFactory, TakesTheRefinementOffTheEnd) {
  EXPECT_EQ(ParseFactory("IVF64,PQ16x4fs,RFlat").base, "IVF64,PQ16x4fs");
  EXPECT_TRUE(ParseFactory("IVF64,PQ16x4fs,RFlat").refined);
  EXPECT_EQ(ParseFactory("PQ8,Refine(SQ8)").base, "PQ8");
  EXPECT_EQ(ParseFactory("IVF64,RQ8x4").base, "IVF64,RQ8x4");
  EXPECT_FALSE(ParseFactory("IVF64,RQ8x4").refined);
  EXPECT_TRUE(ParseFactory("Flat").exact());
  EXPECT_TRUE(ParseFactory("Flat,RFlat").exact());
}

}  // namespace
}  // namespace fluke
