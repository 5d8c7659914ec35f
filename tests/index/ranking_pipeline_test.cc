// What every ranking pipeline keeps of a search, whatever its steps.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/table.h"
#include "index/live_index.h"
#include "index/ranking/fusion.h"
#include "index/ranking/learn_weights.h"
#include "index/ranking/pipeline.h"
#include "index/ranking/step.h"
#include "index/ranking/whitening.h"
#include "tests/index/fixtures.h"

namespace fluke::testing {
namespace {

using ranking::LoadPipeline;
using ::testing::ElementsAre;

constexpr int64_t kDimension = 16;
constexpr int64_t kItems = 210;
constexpr char kAllThatRank[] =
    "steps: [{query_expansion: {k: 3}}, {k_reciprocal: {k1: 8, k2: 3}}, {prototypes: {}},"
    " {score_normalisation: {method: min_max}}]";
constexpr char kAllThatChangeVectors[] =
    "steps: [{meta_embedding: {parts: [{dimension: 6}, {dimension: 10, weight: 2}]}},"
    " {whitening: {dimension: 8, power: 0.5}}, {database_augmentation: {k: 3}}]";

class RankingPipeline : public ::testing::Test {
 protected:
  RankingPipeline()
      : vectors_(ClusteredVectors(kItems, kDimension, 7, 3)),
        queries_(ClusteredVectors(20, kDimension, 7, 3)),
        index_(MakeIndex(IndexFolder(), {.dimension = kDimension}, vectors_)) {}

  std::filesystem::path IndexFolder() const { return folder_.path() / "index"; }

  ranking::Pipeline Load(const std::string& yaml) const {
    WriteBytes(folder_.path() / "pipeline.yaml", yaml);
    return LoadPipeline(folder_.path() / "pipeline.yaml");
  }
  std::shared_ptr<const VectorIndex> Ranked(const std::string& yaml) const {
    return ranking::RankWith(Load(yaml), index_, IndexFolder());
  }

  TestFolder folder_;
  std::vector<float> vectors_;
  std::vector<float> queries_;
  std::shared_ptr<const VectorIndex> index_;
};

TEST(RankingSteps, HaveARowForEveryFieldOfTheConfigAndNoOther) {
  std::vector<std::string> fields;
  const auto* type = v1::RankingStep::descriptor();
  for (int i = 0; i < type->field_count(); ++i) fields.push_back(type->field(i)->name());
  std::vector<std::string> rows;
  for (const ranking::StepRow& row : ranking::Steps()) {
    rows.emplace_back(row.name);
    EXPECT_NE(row.make_gallery == nullptr, row.make_step == nullptr) << row.name;
  }
  EXPECT_THAT(rows, ::testing::UnorderedElementsAreArray(fields));
}

TEST_F(RankingPipeline, OfNoStepsIsTheIndex) {
  const auto ranked = Ranked("{}");
  const auto expected = index_->Search(queries_, {.k = 30});
  const auto found = ranked->Search(queries_, {.k = 30});
  for (size_t q = 0; q < expected.size(); ++q) {
    EXPECT_EQ(Rows(found[q]), Rows(expected[q]));
    EXPECT_EQ(found[q].front().score, expected[q].front().score);
  }
}

TEST_F(RankingPipeline, RanksAQueryTheSameAloneAndInABatch) {
  for (const char* yaml :
       {kAllThatRank, kAllThatChangeVectors, "steps: [{diffusion: {kd: 10, shortlist: 50}}]"}) {
    const auto ranked = Ranked(yaml);
    const auto batch = ranked->Search(queries_, {.k = 15});
    for (size_t q = 0; q < batch.size(); ++q) {
      const auto alone =
          ranked->Search(std::span(queries_).subspan(q * kDimension, kDimension), {.k = 15});
      ASSERT_EQ(Rows(alone.front()), Rows(batch[q])) << yaml;
      for (size_t i = 0; i < 15; ++i) ASSERT_EQ(alone.front()[i].score, batch[q][i].score) << yaml;
    }
  }
}

TEST_F(RankingPipeline, FewerNeighboursAreTheFirstOfMore) {
  for (const char* yaml : {kAllThatRank, kAllThatChangeVectors}) {
    const auto ranked = Ranked(yaml);
    auto many = Rows(ranked->Search(queries_, {.k = 40}).front());
    many.resize(5);
    EXPECT_EQ(Rows(ranked->Search(queries_, {.k = 5}).front()), many) << yaml;
  }
}

TEST_F(RankingPipeline, FindsOnlyWhatMatchesAFilterAndAllOfIt) {
  const Filter filter = ParseFilter("identity = \"whale3\"");  // 30 of 210
  for (const char* yaml : {kAllThatRank, kAllThatChangeVectors}) {
    const auto ranked = Ranked(yaml);
    for (const auto& found : ranked->Search(queries_, {.k = 50, .filter = &filter})) {
      EXPECT_EQ(found.size(), 30u) << yaml;
      for (const Neighbor& one : found) EXPECT_EQ(ranked->item(one.row).identity, "whale3");
    }
  }
}

TEST_F(RankingPipeline, GivesTheBestPhotographOfEachIndividual) {
  for (const char* yaml : {kAllThatRank, kAllThatChangeVectors}) {
    const auto ranked = Ranked(yaml);
    const auto found = ranked->Search(queries_, {.k = 5, .one_per_identity = true}).front();
    const auto all = ranked->Search(queries_, {.k = kItems}).front();
    std::vector<std::string> identities;
    std::vector<int64_t> expected;
    for (const Neighbor& one : all) {
      const std::string identity = ranked->item(one.row).identity;
      if (std::ranges::find(identities, identity) != identities.end()) continue;
      identities.push_back(identity);
      expected.push_back(one.row);
    }
    expected.resize(5);
    if (yaml == std::string(kAllThatChangeVectors)) {
      EXPECT_EQ(Rows(found), expected);
    } else {
      EXPECT_EQ(found.size(), 5u);  // a re-ranked shortlist is another one where it is deeper
      EXPECT_EQ(found.front().row, expected.front());
    }
  }
}

TEST_F(RankingPipeline, LeavesOutWhatScoresBelow) {
  const auto ranked = Ranked("steps: [{score_normalisation: {method: min_max}}]");
  const auto all = ranked->Search(queries_, {.k = 100}).front();
  EXPECT_EQ(all.front().score, 1);
  const auto found = ranked->Search(queries_, {.k = 100, .min_score = 0.5f}).front();
  EXPECT_LT(found.size(), all.size());
  EXPECT_GE(found.back().score, 0.5f);
  EXPECT_LT(all[found.size()].score, 0.5f);
}

TEST_F(RankingPipeline, NeverFindsTheRowThatIsLeftOut) {
  for (const char* yaml : {kAllThatRank, kAllThatChangeVectors}) {
    const auto ranked = Ranked(yaml);
    const auto found = ranked->Search(index_->vector(9), {.k = kItems}, {{int64_t{9}}}).front();
    EXPECT_EQ(found.size(), static_cast<size_t>(kItems - 1)) << yaml;
    for (const Neighbor& one : found) EXPECT_NE(one.row, 9) << yaml;
  }
}

TEST_F(RankingPipeline, FindsWhatALiveIndexWasGivenSince) {
  index_.reset();
  std::shared_ptr<LiveIndex> live = OpenLiveIndex(IndexFolder(), {.compact_after_rows = -1});
  const auto ranked = ranking::RankLiveWith(Load(kAllThatChangeVectors), live, IndexFolder());
  std::vector<float> vector = RandomVectors(1, kDimension, 99);
  EXPECT_NE(ranked->Current()->item(ranked->Current()->Search(vector, {.k = 1}).front()[0].row).id,
            "new");
  ranked->Upsert({ItemCalled("new")}, vector);
  const auto current = ranked->Current();
  EXPECT_EQ(current->item(current->Search(vector, {.k = 1}).front()[0].row).id, "new");
  EXPECT_EQ(current->Count(nullptr), kItems + 1);
  EXPECT_EQ(ranked->Remove({"new", IdOf(4)}), 2);
  for (const auto& found : ranked->Current()->Search(vector, {.k = kItems + 1})) {
    EXPECT_EQ(found.size(), static_cast<size_t>(kItems - 1));
  }
}

TEST_F(RankingPipeline, SaysWhatIsWrongWithItsFile) {
  const auto expect = [&](const std::string& yaml, const std::vector<std::string>& named) {
    ExpectError(absl::StatusCode::kInvalidArgument, named, [&] { Ranked(yaml); });
  };
  expect("steps: [{query_expanson: {k: 3}}]", {"pipeline.yaml:1", "query_expansion"});
  expect("steps:\n- {query_expansion: {}, diffusion: {}}", {"pipeline.yaml:2", "found 2"});
  expect("steps:\n- {query_expansion: {}}\n- {whitening: {}}",
         {"pipeline.yaml:3", "whitening", "before query_expansion"});
  expect("steps: [{query_expansion: {k: 0}}]", {"pipeline.yaml:1", "steps[0].query_expansion.k"});
  expect("steps: [{whitening: {dimension: 17}}]", {"steps[0].whitening", "17", "16"});
  expect("steps: [{fusion: {parts: [{dimension: 4}]}}]", {"steps[0].fusion", "4", "16"});
  expect("steps: [{score_normalisation: {method: zorm}}]", {"zorm", "z_norm"});
  ExpectError(absl::StatusCode::kNotFound, {"nowhere"},
              [&] { Ranked("steps: [{whitening: {file: nowhere}}]"); });
}

TEST(RankingPipelineOfAnL2Index, IsRefused) {
  const TestFolder folder;
  WriteBytes(folder.path() / "pipeline.yaml", "steps: [{query_expansion: {}}]");
  const std::shared_ptr<const VectorIndex> index =
      MakeIndex(folder.path() / "index", {.metric = "l2", .dimension = 4}, RandomVectors(9, 4, 1));
  ExpectError(absl::StatusCode::kInvalidArgument, {"l2", "cosine"}, [&] {
    ranking::RankWith(LoadPipeline(folder.path() / "pipeline.yaml"), index, folder.path());
  });
}

TEST(Whitening, IsReadAsItWasWritten) {
  const TestFolder folder;
  ranking::WhiteningBasis basis = ranking::LearnWhitening(RandomVectors(50, 6, 5), 6);
  basis.fingerprint = "f1";
  ranking::WriteWhitening(basis, folder.path() / "w");
  const ranking::WhiteningBasis read = ranking::ReadWhitening(folder.path() / "w");
  EXPECT_EQ(read.mean, basis.mean);
  EXPECT_EQ(read.directions, basis.directions);
  EXPECT_EQ(read.variances, basis.variances);
  EXPECT_EQ(read.fingerprint, "f1");
  WriteBytes(folder.path() / "w" / "mean.npy", "");
  EXPECT_THROW(ranking::ReadWhitening(folder.path() / "w"), Error);
}

TEST(Whitening, LeavesOutDirectionsWithoutVariance) {
  // The third value is always 1: two directions vary. Values along the first: -2, 2, 0, 0 (variance
  // 2), along the second: 0, 0, -1, 1 (variance .5).
  const std::vector<float> vectors = {-2, 0, 1, 2, 0, 1, 0, -1, 1, 0, 1, 1};
  const ranking::WhiteningBasis basis = ranking::LearnWhitening(vectors, 3);
  EXPECT_THAT(basis.mean, ElementsAre(0, 0, 1));
  ASSERT_EQ(basis.variances.size(), 2u);
  EXPECT_NEAR(basis.variances[0], 2, 1e-6);
  EXPECT_NEAR(basis.variances[1], .5, 1e-6);
  std::vector<float> out(2);
  // (2, 1, 1) - mean = (2, 1): along the directions 2 and 1; by their deviations sqrt(2) and
  // sqrt(.5) both become sqrt(2): equal shares of unit length, signs aside.
  ranking::Whiten(basis, 2, 1, std::vector<float>{2, 1, 1}, out);
  EXPECT_NEAR(std::fabs(out[0]), std::sqrt(.5), 1e-6);
  EXPECT_NEAR(std::fabs(out[1]), std::sqrt(.5), 1e-6);
}

TEST(Fusion, AddsWhatEachRankingGivesAnItem) {
  const std::vector<ranking::WeightedRanking> rankings = {
      {.ranking = {{.row = 1, .score = 9}, {.row = 2, .score = 8}, {.row = 3, .score = 5}},
       .weight = 1},
      {.ranking = {{.row = 2, .score = .4f}, {.row = 4, .score = .2f}}, .weight = 2}};
  const auto fused = [&](const char* method) {
    return ranking::Fuse(rankings, Find(ranking::FusionMethods(), "method", method), 60);
  };
  // Reciprocal rank: 2: 1/62 + 2/61; 4: 2/62; 1: 1/61; 3: 1/63.
  auto found = fused("reciprocal_rank");
  EXPECT_THAT(Rows(found), ElementsAre(2, 4, 1, 3));
  EXPECT_NEAR(found[0].score, 1.0 / 62 + 2.0 / 61, 1e-7);
  EXPECT_NEAR(found[1].score, 2.0 / 62, 1e-7);
  // Borda of three candidates: 2: 2/3 + 2 * 3/3 = 8/3; 4: 2 * 2/3 = 4/3; 1: 1; 3: 1/3.
  found = fused("borda");
  EXPECT_THAT(Rows(found), ElementsAre(2, 4, 1, 3));
  EXPECT_NEAR(found[0].score, 8.0 / 3, 1e-6);
  EXPECT_NEAR(found[1].score, 4.0 / 3, 1e-6);
  // Weighted sum: 2: (8 - 5) / 4 + 2 * 1 = 2.75; 1: 1; 3 and 4: 0, by row.
  found = fused("weighted_sum");
  EXPECT_THAT(Rows(found), ElementsAre(2, 1, 3, 4));
  EXPECT_NEAR(found[0].score, 2.75, 1e-6);
}

TEST(LearnedWeights, PutTheModelThatKnowsTheIndividualsFirst) {
  // Part 0 tells the seven individuals apart, part 1 is noise of the same size.
  const int64_t n = 140;
  const std::vector<float> good = ClusteredVectors(n, 8, 7, 21), noise = RandomVectors(n, 8, 22);
  std::vector<float> vectors;
  std::vector<int64_t> identities;
  for (int64_t i = 0; i < n; ++i) {
    vectors.insert(vectors.end(), good.begin() + 8 * i, good.begin() + 8 * (i + 1));
    vectors.insert(vectors.end(), noise.begin() + 8 * i, noise.begin() + 8 * (i + 1));
    identities.push_back(i % 7);
  }
  const std::vector<int64_t> dimensions = {8, 8};
  const auto learned = ranking::LearnWeights(vectors, identities, dimensions, "map@r");
  EXPECT_GT(learned.weights[0], 0.8);
  EXPECT_NEAR(learned.weights[0] + learned.weights[1], 1, 1e-12);
  EXPECT_GT(learned.metric, learned.metric_before);
}

}  // namespace
}  // namespace fluke::testing
