#include "common/metrics/retrieval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/metrics/search.h"
#include "common/random.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using testing::HasSubstr;

double Value(const MetricReport& report, std::string_view name) {
  for (const MetricResult& metric : report.metrics) {
    if (metric.name == name) return metric.value;
  }
  ADD_FAILURE() << "no metric " << name;
  return -1;
}

// One query of identity 7; the ranking's relevant places are 2, 3 and 6, and there are 4 relevant
// items in the gallery.
const std::vector<int64_t> kRanking = {1, 7, 7, 2, 1, 7, 3, 4};

double OneQuery(const std::string& name) {
  const RankedQuery query = {.identity = 7, .ranked = kRanking, .relevant = 4};
  return EvaluateRetrieval(std::span(&query, 1), std::span(&name, 1)).metrics[0].value;
}

TEST(Metrics, RecallAndCmcAreOneWhenAnyOfTheFirstKIsRelevant) {
  EXPECT_EQ(OneQuery("recall@1"), 0);
  EXPECT_EQ(OneQuery("recall@2"), 1);
  EXPECT_EQ(OneQuery("recall@8"), 1);
  EXPECT_EQ(OneQuery("cmc@1"), 0);
  EXPECT_EQ(OneQuery("cmc@2"), 1);
}

TEST(Metrics, PrecisionDividesByK) {
  EXPECT_EQ(OneQuery("precision@1"), 0);
  EXPECT_DOUBLE_EQ(OneQuery("precision@4"), 2.0 / 4);
  EXPECT_DOUBLE_EQ(OneQuery("precision@6"), 3.0 / 6);
}

TEST(Metrics, MapAtKDividesByTheSmallerOfRelevantAndK) {
  // precision at the hits: 1/2, 2/3, 3/6
  EXPECT_DOUBLE_EQ(OneQuery("map@2"), 0.5 / 2);
  EXPECT_DOUBLE_EQ(OneQuery("map@3"), (0.5 + 2.0 / 3) / 3);
  EXPECT_DOUBLE_EQ(OneQuery("map@6"), (0.5 + 2.0 / 3 + 0.5) / 4);
}

TEST(Metrics, RPrecisionAndMapAtRLookAtAsManyPlacesAsThereAreRelevantItems) {
  EXPECT_DOUBLE_EQ(OneQuery("r_precision"), 2.0 / 4);
  EXPECT_DOUBLE_EQ(OneQuery("map@r"), (0.5 + 2.0 / 3) / 4);
}

TEST(Metrics, MrrIsOneOverTheFirstRelevantPlace) {
  EXPECT_DOUBLE_EQ(OneQuery("mrr"), 0.5);
  EXPECT_DOUBLE_EQ(OneQuery("mrr@2"), 0.5);
  EXPECT_EQ(OneQuery("mrr@1"), 0);
}

TEST(Metrics, KaggleMapRanksDifferentIdentities) {
  // Identities in order: 1, 7, 2, 3, 4. The repeated 7 and 1 take no further place.
  EXPECT_DOUBLE_EQ(OneQuery("kaggle_map@5"), 0.5);
  EXPECT_EQ(OneQuery("kaggle_map@1"), 0);
  const RankedQuery late = {.identity = 3, .ranked = kRanking, .relevant = 1};
  const std::vector<std::string> names = {"kaggle_map@5", "kaggle_map@3"};
  const MetricReport report = EvaluateRetrieval(std::span(&late, 1), names);
  EXPECT_DOUBLE_EQ(report.metrics[0].value, 0.25);
  EXPECT_EQ(report.metrics[1].value, 0);
}

TEST(Metrics, DropsQueriesWithoutRelevantItemsAndUnknownOnes) {
  const std::vector<RankedQuery> queries = {
      {.identity = 7, .ranked = kRanking, .relevant = 4},
      {.identity = 9, .ranked = kRanking, .relevant = 0},
      {.identity = -1, .ranked = kRanking, .relevant = 2},
  };
  const std::vector<std::string> names = {"recall@2"};
  const MetricReport report = EvaluateRetrieval(queries, names);
  EXPECT_EQ(report.queries, 1);
  EXPECT_EQ(report.dropped_queries, 2);
  EXPECT_EQ(report.metrics[0].value, 1);
}

std::string MessageFor(const std::string& name, int64_t relevant) {
  const RankedQuery query = {.identity = 7, .ranked = kRanking, .relevant = relevant};
  return ErrorOf([&] { EvaluateRetrieval(std::span(&query, 1), std::span(&name, 1)); }).what();
}

TEST(Metrics, RefusesADepthThatTheRankingCannotAnswer) {
  EXPECT_THAT(MessageFor("precision@20", 4), HasSubstr("query 1 ranks only 8 items"));
  EXPECT_THAT(MessageFor("map@20", 4), HasSubstr("rank deeper"));
  // All three relevant items are ranked, or one is enough: more depth changes nothing.
  const RankedQuery query = {.identity = 7, .ranked = kRanking, .relevant = 3};
  const std::vector<std::string> names = {"precision@20", "map@20", "recall@20"};
  const MetricReport report = EvaluateRetrieval(std::span(&query, 1), names);
  EXPECT_DOUBLE_EQ(report.metrics[0].value, 3.0 / 20);
  EXPECT_DOUBLE_EQ(report.metrics[1].value, (0.5 + 2.0 / 3 + 0.5) / 3);
  EXPECT_EQ(report.metrics[2].value, 1);
}

TEST(Metrics, SaysWhichMetricsNeedTheNumberOfRelevantItems) {
  EXPECT_THAT(MessageFor("map@r", kUnknownRelevant),
              HasSubstr("how many items of the gallery are relevant"));
  const RankedQuery query = {.identity = 7, .ranked = kRanking, .relevant = kUnknownRelevant};
  const std::vector<std::string> names = {"recall@5", "precision@8", "mrr", "kaggle_map@5"};
  EXPECT_DOUBLE_EQ(EvaluateRetrieval(std::span(&query, 1), names).metrics[1].value, 3.0 / 8);
}

TEST(Metrics, RefusesMoreHitsThanRelevantItems) {
  EXPECT_THAT(MessageFor("recall@1", 2),
              HasSubstr("ranks 3 relevant items, but the gallery is said to hold 2"));
}

TEST(Metrics, NamesAreParsedWithASuggestion) {
  EXPECT_THAT(MessageFor("recal@5", 4), HasSubstr("did you mean 'recall@k'"));
  EXPECT_THAT(MessageFor("r_precison", 4), HasSubstr("did you mean 'r_precision'"));
  for (const char* bad :
       {"recall", "recall@", "recall@0", "recall@-1", "recall@5x", "recall@99999999999"}) {
    EXPECT_THAT(MessageFor(bad, 4), HasSubstr("expected a depth of at least 1")) << bad;
  }
  EXPECT_THAT(MessageFor("map@", 4), HasSubstr("expected a depth"));
  EXPECT_THAT(ErrorOf([] { ParseMetrics({}); }).what(), HasSubstr("no metric"));
}

// Twelve points on the unit circle.
constexpr double kAnglesDeg[] = {0, 7, 31, 90, 34, 28, 55, 142, 140, 21, 70, 101};
const std::vector<int64_t> kLabels = {0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 4};

std::vector<float> OnTheCircle(const std::vector<int>& rows) {
  std::vector<float> vectors;
  for (int row : rows) {
    vectors.push_back(static_cast<float>(std::cos(kAnglesDeg[row] * M_PI / 180)));
    vectors.push_back(static_cast<float>(std::sin(kAnglesDeg[row] * M_PI / 180)));
  }
  return vectors;
}

TEST(Metrics, LeaveOneOutAgreesWithPytorchMetricLearning) {
  std::vector<int> all(12);
  std::iota(all.begin(), all.end(), 0);
  const std::vector<std::string> names = {"recall@1", "r_precision",  "map@r",
                                          "mrr",      "kaggle_map@5", "kaggle_map@2"};
  const MetricReport report = EvaluateLeaveOneOut(OnTheCircle(all), 12, 2, kLabels, names);
  // pytorch-metric-learning 2.9.0, AccuracyCalculator(k=None): precision_at_1, r_precision,
  // mean_average_precision_at_r, mean_reciprocal_rank (summed in float32).
  EXPECT_NEAR(Value(report, "recall@1"), 0.36363636363636365, 1e-12);
  EXPECT_NEAR(Value(report, "r_precision"), 0.37878787878787873, 1e-12);
  EXPECT_NEAR(Value(report, "map@r"), 0.3106060606060606, 1e-12);
  EXPECT_NEAR(Value(report, "mrr"), 0.6069263815879822, 1e-7);
  // map_at_5 of the peer script (dict.fromkeys over the ranked labels, as in the competition), k 5
  // and 2.
  EXPECT_NEAR(Value(report, "kaggle_map@5"), 0.6287878787878788, 1e-12);
  EXPECT_NEAR(Value(report, "kaggle_map@2"), 0.5454545454545454, 1e-12);
  EXPECT_EQ(report.queries, 11);
  EXPECT_EQ(report.dropped_queries, 1);  // label 3 stands alone
}

TEST(Metrics, SeparateQueriesAgreeWithPytorchMetricLearning) {
  const std::vector<int> query_rows = {1, 6, 7, 9}, gallery_rows = {0, 2, 3, 4, 5, 8, 10, 11};
  std::vector<int64_t> query_labels, gallery_labels;
  for (int row : query_rows) query_labels.push_back(kLabels[row]);
  for (int row : gallery_rows) gallery_labels.push_back(kLabels[row]);
  const std::vector<float> queries = OnTheCircle(query_rows), gallery = OnTheCircle(gallery_rows);
  const std::vector<std::string> names = {"recall@1", "r_precision", "map@r", "mrr"};
  const MetricReport report =
      EvaluateSearch({.vectors = queries, .identities = query_labels},
                     {.vectors = gallery, .identities = gallery_labels}, 2, {}, names);
  // pytorch-metric-learning 2.9.0, get_accuracy(query, reference, ref_includes_query=False)
  EXPECT_NEAR(Value(report, "recall@1"), 0.6666666666666666, 1e-12);
  EXPECT_NEAR(Value(report, "r_precision"), 0.7222222222222222, 1e-12);
  EXPECT_NEAR(Value(report, "map@r"), 0.6018518518518517, 1e-12);
  EXPECT_NEAR(Value(report, "mrr"), 0.8333333134651184, 1e-7);
  EXPECT_EQ(report.queries, 3);
  EXPECT_EQ(report.dropped_queries, 1);
}

TEST(Metrics, EqualScoresRankByRow) {
  // Rows 1 and 2 are the same point; row 1 comes first for the query 0, whichever of them is the
  // right one.
  const std::vector<float> vectors = {1, 0, 0, 1, 0, 1};
  const std::vector<std::string> names = {"recall@1"};
  const MetricReport first =
      EvaluateLeaveOneOut(vectors, 3, 2, std::vector<int64_t>{5, 5, -1}, names);
  const MetricReport second =
      EvaluateLeaveOneOut(vectors, 3, 2, std::vector<int64_t>{5, -1, 5}, names);
  // The other query (row 1 or 2) has its double, of unknown identity, before row 0 in both.
  EXPECT_EQ(first.metrics[0].value, 0.5);
  EXPECT_EQ(second.metrics[0].value, 0);
}

TEST(Metrics, UnknownIdentitiesAreGalleryOnly) {
  const std::vector<float> vectors = {1, 0, 1, 0, 0, 1, 0, 1};
  const std::vector<std::string> names = {"recall@1"};
  const MetricReport report =
      EvaluateLeaveOneOut(vectors, 4, 2, std::vector<int64_t>{-1, 3, 3, -1}, names);
  EXPECT_EQ(report.queries, 2);
  EXPECT_EQ(report.dropped_queries, 2);
  EXPECT_EQ(report.metrics[0].value, 0);
}

// Random rows with many equal ones, ranked in the plainest way.
TEST(Metrics, PartialRankingGivesWhatAFullSortGives) {
  constexpr int64_t kRows = 700, kDims = 5;
  Random random(RandomKey({11}));
  std::vector<float> vectors(kRows * kDims);
  for (float& value : vectors) value = static_cast<float>(static_cast<int>(random.Below(5)) - 2);
  std::vector<int64_t> identities(kRows);
  for (int64_t& identity : identities) identity = static_cast<int64_t>(random.Below(150)) - 1;

  std::vector<std::vector<int64_t>> rankings(kRows);
  std::vector<RankedQuery> queries;
  for (int64_t q = 0; q < kRows; ++q) {
    std::vector<std::pair<float, int64_t>> order;  // small whole numbers: scores are exact
    for (int64_t i = 0; i < kRows; ++i) {
      if (i == q) continue;
      order.emplace_back(-std::inner_product(&vectors[q * kDims], &vectors[q * kDims] + kDims,
                                             &vectors[i * kDims], 0.0f),
                         i);
    }
    std::sort(order.begin(), order.end());
    int64_t relevant = 0;
    for (const auto& [score, row] : order) {
      rankings[q].push_back(identities[row]);
      relevant += identities[row] == identities[q];
    }
    queries.push_back({identities[q], rankings[q], relevant});
  }
  const std::vector<std::vector<std::string>> asked = {{"recall@1"},
                                                       {"kaggle_map@5"},
                                                       {"mrr"},
                                                       {"map@r", "r_precision"},
                                                       {"map@300", "precision@17", "recall@1"}};
  for (const std::vector<std::string>& names : asked) {
    const MetricReport plain = EvaluateRetrieval(queries, names);
    const MetricReport fast = EvaluateLeaveOneOut(vectors, kRows, kDims, identities, names);
    EXPECT_EQ(fast.queries, plain.queries);
    EXPECT_EQ(fast.dropped_queries, plain.dropped_queries);
    for (size_t m = 0; m < names.size(); ++m) {
      EXPECT_EQ(fast.metrics[m].value, plain.metrics[m].value) << names[m];
    }
  }
}

TEST(Metrics, RefusesValuesThatAreNotFiniteAndSizesThatDoNotFit) {
  const std::vector<std::string> names = {"recall@1"};
  const std::vector<float> nan = {1, 0, NAN, 0};
  EXPECT_THAT(ErrorOf([&] {
                EvaluateLeaveOneOut(nan, 2, 2, std::vector<int64_t>{1, 1}, names);
              }).what(),
              HasSubstr("row 1 holds a value that is not finite"));
  const std::vector<float> three = {1, 0, 1};
  EXPECT_THAT(ErrorOf([&] {
                EvaluateLeaveOneOut(three, 2, 2, std::vector<int64_t>{1, 1}, names);
              }).what(),
              HasSubstr("3 values are not 2 x 2"));
}

TEST(Metrics, EveryIdentityAloneCountsNoQuery) {
  const std::vector<float> vectors = {1, 0, 0, 1};
  const std::vector<std::string> names = {"recall@1"};
  const MetricReport report = EvaluateLeaveOneOut(vectors, 2, 2, std::vector<int64_t>{1, 2}, names);
  EXPECT_EQ(report.queries, 0);
  EXPECT_EQ(report.dropped_queries, 2);
}

double OfRanking(const std::vector<int64_t>& ranked, int64_t relevant, const std::string& name,
                 bool complete = false) {
  const RankedQuery query = {
      .identity = 1, .ranked = ranked, .relevant = relevant, .complete = complete};
  return EvaluateRetrieval(std::span(&query, 1), std::span(&name, 1)).metrics[0].value;
}

TEST(Metrics, NdcgAndFoundAgreeWithRanx) {
  // ranx 0.3.21: ndcg@5, recall@5, recall@8 of the ranking d a c e b f g h for relevant a, b, c, z.
  const std::vector<int64_t> ranked = {0, 1, 1, 0, 1, 0, 0, 0};
  EXPECT_NEAR(OfRanking(ranked, 4, "ndcg@5"), 0.592512031964586, 1e-12);
  EXPECT_EQ(OfRanking(ranked, 4, "found@5"), .75);
  EXPECT_EQ(OfRanking(ranked, 4, "found@8"), .75);
}

TEST(Metrics, FullMapDividesByAllRelevantAndTrapezoidsAreMeansOfTwoPrecisions) {
  // Hits at places 1, 3 and 4 of three: (1 + 2/3 + 3/4) / 3.
  const std::vector<int64_t> ranked = {1, 0, 1, 1, 0};
  EXPECT_DOUBLE_EQ(OfRanking(ranked, 3, "map"), (1 + 2.0 / 3 + 3.0 / 4) / 3);
  // compute_ap of the revisited Oxford evaluation, ranks from 0: 0, 2, 3. Precisions before and
  // at each: 1 and 1, 1/2 and 2/3, 2/3 and 3/4.
  EXPECT_DOUBLE_EQ(OfRanking(ranked, 3, "map_trapezoid"),
                   ((1 + 1) / 2.0 + (1.0 / 2 + 2.0 / 3) / 2 + (2.0 / 3 + 3.0 / 4) / 2) / 3);
}

TEST(Metrics, MinpLooksAtTheHardestRelevantItem) {
  EXPECT_DOUBLE_EQ(OfRanking({1, 0, 1, 1, 0}, 3, "minp"), 3.0 / 4);
  EXPECT_DOUBLE_EQ(OfRanking({0, 0, 0, 1}, 1, "minp"), 1.0 / 4);
}

TEST(Metrics, TopKCountsDifferentIdentities) {
  EXPECT_EQ(OfRanking({2, 2, 2, 3, 1}, 1, "top@2"), 0);
  EXPECT_EQ(OfRanking({2, 2, 2, 3, 1}, 1, "top@3"), 1);
}

TEST(Metrics, WhatACompleteListLacksWasNeverFound) {
  const std::vector<int64_t> ranked = {0, 1};
  EXPECT_DOUBLE_EQ(OfRanking(ranked, 4, "map@100", true), .5 / 4);
  EXPECT_DOUBLE_EQ(OfRanking(ranked, 4, "map", true), .5 / 4);
  EXPECT_DOUBLE_EQ(OfRanking(ranked, 4, "precision@5", true), 1.0 / 5);
  EXPECT_EQ(OfRanking(ranked, 4, "minp", true), 0);
  EXPECT_EQ(OfRanking({0, 2}, 4, "mrr", true), 0);
  EXPECT_EQ(OfRanking({0, 2}, 4, "kaggle_map@5", true), 0);
}

TEST(Metrics, ValuesOfEveryQueryThatCountsAreKept) {
  const std::vector<RankedQuery> queries = {
      {.identity = 9, .ranked = kRanking, .relevant = 0},
      {.identity = 7, .ranked = kRanking, .relevant = 4},
      {.identity = 1, .ranked = kRanking, .relevant = 2},
  };
  const std::vector<std::string> names = {"recall@1", "precision@2"};
  const MetricReport report = EvaluateRetrieval(queries, names);
  EXPECT_THAT(report.counted, testing::ElementsAre(1, 2));
  EXPECT_THAT(report.values, testing::ElementsAre(0, .5, 1, .5));
  EXPECT_THAT(report.Column(1), testing::ElementsAre(.5, .5));
}

TEST(Metrics, EveryIdentityWeighsTheSameInMeansByGroup) {
  // Identity 7 has values 1, 0, .5; identity 4 has 1: (.5 + 1) / 2.
  MetricReport report;
  report.counted = {0, 2, 3, 4};
  report.values = {1, 0, 1, .5};
  SetMeans(std::vector<std::string>{"recall@1"}, &report);
  const MacroMeans means = MeansByGroup(report, std::vector<int64_t>{7, 7, 7, 4, 7});
  EXPECT_DOUBLE_EQ(report.metrics[0].value, .625);
  EXPECT_DOUBLE_EQ(means.metrics[0].value, .75);
  EXPECT_THAT(means.groups, testing::ElementsAre(4, 7));
  EXPECT_THAT(means.values, testing::ElementsAre(1, .5));
}

// Query 0 of identity 5 and camera 1; the gallery from near to far.
TEST(Metrics, TheSameIdentityOnTheSameCameraIsLeftOut) {
  const std::vector<float> query = {1, 0};
  std::vector<float> gallery;
  for (double degrees : {0, 5, 10, 15, 20}) {
    gallery.push_back(static_cast<float>(std::cos(degrees * M_PI / 180)));
    gallery.push_back(static_cast<float>(std::sin(degrees * M_PI / 180)));
  }
  const std::vector<int64_t> query_identity = {5}, identities = {5, 6, 5, 5, 6};
  const std::vector<int64_t> query_camera = {1}, cameras = {1, 1, 2, 1, 3};
  const SearchLabels labels = {.queries = query_identity,
                               .gallery = identities,
                               .query_cameras = query_camera,
                               .gallery_cameras = cameras};
  // Rows 0 and 3 are gone: 6, 5 (the only relevant one), 6 is left.
  const std::vector<std::string> names = {"cmc@1", "cmc@2", "map", "minp"};
  const MetricReport report = EvaluateSearch(query, gallery, 2, labels, names);
  EXPECT_EQ(Value(report, "cmc@1"), 0);
  EXPECT_EQ(Value(report, "cmc@2"), 1);
  EXPECT_EQ(Value(report, "map"), .5);
  EXPECT_EQ(Value(report, "minp"), .5);
}

// The plainest search: all products, sorted.
std::vector<std::vector<Neighbor>> SearchPlainly(const std::vector<float>& vectors, int64_t d,
                                                 std::span<const int64_t> rows, int64_t k) {
  const auto n = static_cast<int64_t>(vectors.size()) / d;
  std::vector<std::vector<Neighbor>> found;
  for (int64_t row : rows) {
    std::vector<Neighbor>& neighbors = found.emplace_back();
    for (int64_t i = 0; i < n; ++i) {
      neighbors.push_back(
          {i, std::inner_product(&vectors[row * d], &vectors[row * d] + d, &vectors[i * d], 0.0f)});
    }
    std::stable_sort(neighbors.begin(), neighbors.end(),
                     [](const Neighbor& a, const Neighbor& b) { return a.score > b.score; });
    neighbors.resize(k);
  }
  return found;
}

TEST(Metrics, StreamingGivesWhatTheScanGives) {
  constexpr int64_t kRows = 500, kDims = 6;
  Random random(RandomKey({5}));
  std::vector<float> vectors(kRows * kDims);  // small whole numbers: scores are exact
  for (float& value : vectors) value = static_cast<float>(static_cast<int>(random.Below(7)) - 3);
  std::vector<int64_t> identities(kRows), cameras(kRows), own_rows(kRows);
  for (int64_t& identity : identities) identity = static_cast<int64_t>(random.Below(60)) - 1;
  for (int64_t& camera : cameras) camera = static_cast<int64_t>(random.Below(4)) - 1;
  std::iota(own_rows.begin(), own_rows.end(), 0);
  for (const bool with_cameras : {false, true}) {
    SearchLabels labels = {.queries = identities, .gallery = identities, .own_rows = own_rows};
    if (with_cameras) labels.query_cameras = labels.gallery_cameras = cameras;
    int64_t calls = 0;
    const BlockSearch search = [&](std::span<const int64_t> rows, int64_t k) {
      ++calls;
      return SearchPlainly(vectors, kDims, rows, k);
    };
    for (const std::vector<std::string>& names :
         std::vector<std::vector<std::string>>{{"recall@1", "map@r", "r_precision"},
                                               {"mrr", "kaggle_map@5", "map", "minp"},
                                               {"map@100", "ndcg@10"}}) {
      const MetricReport scan = EvaluateSearch(vectors, vectors, kDims, labels, names);
      const MetricReport stream = EvaluateStreamed(labels, names, search, {.block_queries = 64});
      EXPECT_EQ(stream.counted, scan.counted);
      EXPECT_EQ(stream.values, scan.values);
      EXPECT_EQ(stream.dropped_queries, scan.dropped_queries);
    }
    EXPECT_GT(calls, 3 * kRows / 64);
  }
}

TEST(Metrics, NeighborsComeWithoutWhatIsLeftOut) {
  const std::vector<float> vectors = {1, 2, 3, 4};
  const std::vector<int64_t> identities = {0, 1, 0, 1}, own_rows = {0, 1, -1, 3};
  const SearchLabels labels = {.queries = identities, .gallery = identities, .own_rows = own_rows};
  std::vector<std::vector<int64_t>> seen;
  ForEachNeighbors(
      labels, 3,
      [&](std::span<const int64_t> rows, int64_t k) { return SearchPlainly(vectors, 1, rows, k); },
      [&](int64_t query, std::span<const Neighbor> neighbors) {
        EXPECT_EQ(query, static_cast<int64_t>(seen.size()));
        seen.emplace_back();
        for (const Neighbor& neighbor : neighbors) seen.back().push_back(neighbor.row);
      },
      {.block_queries = 3});
  EXPECT_THAT(seen,
              testing::ElementsAre(testing::ElementsAre(3, 2, 1), testing::ElementsAre(3, 2, 0),
                                   testing::ElementsAre(3, 2, 1), testing::ElementsAre(2, 1, 0)));
}

}  // namespace
}  // namespace fluke
