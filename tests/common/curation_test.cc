// Label suspects, pseudo-labels, crops, plots, and the classifier that compares splits.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>

#include "common/curation/adversarial.h"
#include "common/curation/crop.h"
#include "common/curation/label_suspects.h"
#include "common/curation/logistic.h"
#include "common/curation/plots.h"
#include "common/curation/pseudo_labels.h"
#include "common/files.h"
#include "common/random.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// ---- suspects

// Rows 0-2 are anna, 3-5 bert, 6 is a photograph of bert that is called anna; all neighbours have
// one score and so one vote each of three.
TEST(FindLabelSuspects, NamesThePhotographWhoseNeighboursAllSayAnotherName) {
  const std::vector<std::string> identities = {"anna", "anna", "anna", "bert",
                                               "bert", "bert", "anna"};
  const auto near = [](int64_t a, int64_t b, int64_t c) {
    return std::vector<Neighbor>{{a, .9f}, {b, .9f}, {c, .9f}};
  };
  const std::vector<std::vector<Neighbor>> neighbors = {near(1, 2, 3), near(0, 2, 4), near(0, 1, 5),
                                                        near(4, 5, 6), near(3, 5, 6), near(3, 4, 6),
                                                        near(3, 4, 5)};
  const auto suspects = FindLabelSuspects(identities, neighbors, {});
  ASSERT_EQ(suspects.size(), 1u);
  EXPECT_EQ(suspects[0].row, 6u);
  EXPECT_EQ(suspects[0].suggested, "bert");
  EXPECT_EQ(suspects[0].p_own, 0);
  EXPECT_EQ(suspects[0].p_suggested, 1);
  EXPECT_EQ(suspects[0].votes, 3);
  EXPECT_EQ(suspects[0].own_photos, 4);
  EXPECT_TRUE(suspects[0].unanimous);
  EXPECT_TRUE(suspects[0].confident);  // bert's own get 2/3 each
}

// Two neighbours at cosines .9 and .85 with temperature .05 vote e : 1: shares .731 and .269.
TEST(FindLabelSuspects, WeighsVotesByCosine) {
  const std::vector<std::string> identities = {"a", "b", "a", "b", ""};
  const std::vector<std::vector<Neighbor>> neighbors = {{{4, .99f}, {1, .9f}, {2, .85f}},
                                                        {{3, .9f}, {0, .85f}},
                                                        {{0, .9f}, {1, .2f}},
                                                        {{1, .9f}, {0, .2f}},
                                                        {{0, .99f}}};
  const auto suspects = FindLabelSuspects(identities, neighbors, {.unanimous = 2});
  ASSERT_EQ(suspects.size(), 0u);  // b's own get (.731 + 1) / 2 on average, row 0 gives it .731
  const auto at_once = FindLabelSuspects(identities, neighbors, {.unanimous = 1});
  ASSERT_EQ(at_once.size(), 1u);
  EXPECT_EQ(at_once[0].row, 0u);
  EXPECT_NEAR(at_once[0].p_suggested, std::exp(1) / (std::exp(1) + 1), 1e-5);
  EXPECT_FALSE(at_once[0].confident);
}

TEST(FindLabelSuspects, SuggestsNobodyOfASinglePhotograph) {
  const std::vector<std::vector<Neighbor>> neighbors = {{{1, .9f}}, {{0, .9f}}};
  EXPECT_TRUE(FindLabelSuspects({"a", "b"}, neighbors, {.unanimous = 1}).empty());
}

// ---- pseudo-labels

std::vector<ManifestItem> Named(const std::vector<std::string>& identities) {
  std::vector<ManifestItem> items;
  for (size_t i = 0; i < identities.size(); ++i)
    items.push_back({.path = StrCat("p", i, ".jpg"), .identity = identities[i]});
  return items;
}

TEST(PseudoLabels, NeedAgreeingAndMutualNeighbours) {
  const std::vector<ManifestItem> items = Named({"a", "a", "b", "", "", ""});
  const std::vector<size_t> labelled = {0, 1, 2}, unlabelled = {3, 4, 5};
  // Item 3: a, a. Item 4: a, b. Item 5: b, b is not there: a.
  const std::vector<std::vector<Neighbor>> of_unlabelled = {
      {{0, .9f}, {1, .8f}}, {{1, .7f}, {2, .6f}}, {{2, .5f}, {0, .4f}}};
  // Item 3 is only second among the nearest of row 0.
  const std::vector<std::vector<Neighbor>> of_labelled = {
      {{1, .95f}, {0, .9f}}, {{1, .7f}}, {{2, .5f}}};
  const auto found = [&](const NeighborVote& vote) {
    std::vector<std::string> names;
    for (const PseudoLabel& label :
         LabelsFromNeighbors(items, unlabelled, labelled, of_unlabelled, of_labelled, vote))
      names.push_back(StrCat(label.item, label.identity));
    return names;
  };
  EXPECT_THAT(found({}), ElementsAre("3a", "4a", "5b"));
  EXPECT_THAT(found({.agreeing = 2}), ElementsAre("3a"));
  EXPECT_THAT(found({.mutual = 1}), ElementsAre("4a", "5b"));
  EXPECT_THAT(found({.mutual = 2}), ElementsAre("3a", "4a", "5b"));
}

TEST(PseudoLabels, AreTheBestShareAboveAThreshold) {
  const std::vector<PseudoLabel> labels = {
      {3, "a", .5}, {4, "b", .9}, {5, "c", .7}, {6, "d", .2}, {7, "e", .9}};
  const auto items = [](const std::vector<PseudoLabel>& chosen) {
    std::vector<size_t> numbers;
    for (const PseudoLabel& label : chosen) numbers.push_back(label.item);
    return numbers;
  };
  EXPECT_THAT(items(Confident(labels, {})), ElementsAre(4, 7, 5, 3, 6));
  EXPECT_THAT(items(Confident(labels, {.min_score = .5})), ElementsAre(4, 7, 5, 3));
  EXPECT_THAT(items(Confident(labels, {.min_score = .5, .top_share = .5})), ElementsAre(4, 7));
  EXPECT_THAT(items(Confident(labels, {.top_share = .5})), ElementsAre(4, 7, 5));  // 2.5, up
}

TEST(PseudoLabels, SayWhereTheyAreFrom) {
  std::vector<ManifestItem> items = Named({"a", "", ""});
  items[0].split = "test";
  ApplyPseudoLabels({{2, "b", .5}}, {.weight = .8, .weigh_by_score = true}, "classes", &items);
  EXPECT_EQ(items[0].metadata.at("provenance"), "labelled");
  EXPECT_EQ(items[0].metadata.at("weight"), "1");
  EXPECT_TRUE(items[1].identity.empty());
  EXPECT_FALSE(items[1].metadata.contains("weight"));
  EXPECT_EQ(items[2].identity, "b");
  EXPECT_EQ(items[2].split, "train");
  EXPECT_EQ(items[2].metadata.at("provenance"), "pseudo:classes");
  EXPECT_EQ(items[2].metadata.at("weight"), "0.4");
  EXPECT_EQ(items[2].metadata.at("pseudo_score"), "0.5");
}

TEST(PseudoLabels, ComeFromTheBestPredictionOfEachPhotograph) {
  const Scratch scratch;
  WriteFileAtomically(scratch / "p.csv",
                      "path,class,confidence\np1.jpg,a,.4\np1.jpg,b,.6\np0.jpg,b,1\n");
  const Manifest manifest = {.name = "m", .items = Named({"a", ""})};
  const auto labels = LabelsFromPredictions((scratch / "p.csv").string(), manifest);
  ASSERT_EQ(labels.size(), 1u);  // p0.jpg has an identity
  EXPECT_EQ(labels[0].item, 1u);
  EXPECT_EQ(labels[0].identity, "b");
  WriteFileAtomically(scratch / "q.csv", "path,class,confidence\np1.jpg,a,high\n");
  EXPECT_THAT(
      ErrorOf([&] { LabelsFromPredictions((scratch / "q.csv").string(), manifest); }).what(),
      HasSubstr("q.csv:2: confidence is 'high'"));
}

// ---- crops

TEST(CropPhotographs, WritesBoxesWithTheirMarginAndKeepsColumns) {
  const Scratch scratch;
  cv::Mat picture(60, 100, CV_8UC3);
  for (int y = 0; y < 60; ++y) {
    for (int x = 0; x < 100; ++x)
      picture.at<cv::Vec3b>(y, x) = {static_cast<uint8_t>(x), static_cast<uint8_t>(y), 7};
  }
  cv::imwrite((scratch / "a.png").string(), picture);
  cv::imwrite((scratch / "mask.png").string(), cv::Mat(60, 100, CV_8UC1, cv::Scalar(200)));
  WriteFileAtomically(scratch / "m.csv",
                      "path,identity,x,y,w,h,mask,sea\n"
                      "a.png,anna,10,20,20,10,mask.png,north\n"
                      "a.png,bert,80,40,30,30,,\n");
  CropPhotographs(ReadManifest(scratch / "m.csv"), scratch / "out", {.margin = .1, .png = true}, 2);
  const Manifest cropped = ReadManifest(scratch / "out");
  ASSERT_EQ(cropped.items.size(), 2u);
  const ManifestItem& anna = cropped.items[0];
  EXPECT_EQ(anna.identity, "anna");
  EXPECT_FALSE(anna.box.has_value());
  EXPECT_EQ(anna.metadata.at("sea"), "north");
  EXPECT_EQ(anna.metadata.at("source"), "a.png");
  EXPECT_EQ(anna.metadata.at("source_box"), "8 18 24 14");  // 2 pixels, a tenth of 20, around
  const cv::Mat crop = cv::imread((scratch / "out" / anna.path).string());
  EXPECT_EQ(crop.size(), cv::Size(24, 14));
  EXPECT_EQ(crop.at<cv::Vec3b>(0, 0), (cv::Vec3b{8, 18, 7}));
  EXPECT_EQ(cv::imread((scratch / "out" / anna.mask).string()).size(), cv::Size(24, 14));
  EXPECT_EQ(cropped.items[1].metadata.at("source_box"), "77 37 23 23");  // clipped
  EXPECT_NE(cropped.items[1].path, anna.path);
}

TEST(CropPhotographs, LeavesNothingBehindWhereAPhotographIsBad) {
  const Scratch scratch;
  WriteFileAtomically(scratch / "b.jpg", "no photograph");
  cv::imwrite((scratch / "a.png").string(), cv::Mat(90, 60, CV_8UC3, cv::Scalar(1, 2, 3)));
  WriteFileAtomically(scratch / "m.csv", "path\nb.jpg\na.png\n");
  const Manifest manifest = ReadManifest(scratch / "m.csv");
  EXPECT_THAT(ErrorOf([&] { CropPhotographs(manifest, scratch / "out", {}, 1); }).what(),
              HasSubstr("b.jpg"));
  EXPECT_FALSE(std::filesystem::exists(scratch / "out"));
  const auto bad =
      CropPhotographs(manifest, scratch / "out", {.max_side_px = 30, .skip_bad = true}, 1);
  ASSERT_EQ(bad.size(), 1u);
  EXPECT_EQ(bad[0].path, "b.jpg");
  const Manifest cropped = ReadManifest(scratch / "out");
  ASSERT_EQ(cropped.items.size(), 1u);
  EXPECT_EQ(cv::imread((scratch / "out" / cropped.items[0].path).string()).size(),
            cv::Size(20, 30));
}

// ---- plots

TEST(Histogram, CountsValuesInIntervalsOfEqualWidth) {
  const std::vector<HistogramBin> bins = Histogram(std::vector<double>{0, 1, 2.4, 2.6, 10}, 4);
  ASSERT_EQ(bins.size(), 4u);
  EXPECT_EQ(bins[0].count, 3);  // 0 .. 2.5
  EXPECT_EQ(bins[1].count, 1);
  EXPECT_EQ(bins[3].count, 1);
  EXPECT_EQ(bins[3].high, 10);
  EXPECT_EQ(Histogram(std::vector<double>{3, 3}, 4).size(), 1u);
  EXPECT_TRUE(Histogram({}, 4).empty());
}

TEST(Plots, EscapeNamesAndScaleBars) {
  const std::vector<Bar> bars = {{"<a & b>", 10}, {"c", 5}};
  const std::string svg = BarsSvg("t", bars);
  EXPECT_THAT(svg, HasSubstr("&lt;a &amp; b&gt;"));
  EXPECT_THAT(svg, HasSubstr("width=\"320.0\""));  // 560 - 170 - 70: the largest
  EXPECT_THAT(svg, HasSubstr("width=\"160.0\""));
}

// ---- logistic regression and the comparison of splits

// scikit-learn 1.9.1: LogisticRegression(C=.7, tol=1e-12).fit(x, y) of these.
TEST(FitLogistic, IsThatOfScikitLearn) {
  const cv::Mat x =
      (cv::Mat_<double>(8, 2) << .5, 1.2, -1, .3, 2, -.7, .1, .1, -1.5, 2, 1, 1, -.2, -1, .8, -.3);
  const std::vector<uint8_t> y = {1, 0, 1, 0, 0, 1, 1, 0};
  const LogisticModel model = FitLogistic(x, y, .7);
  EXPECT_NEAR(model.weights[0], .698015556, 1e-6);
  EXPECT_NEAR(model.weights[1], -.083191684, 1e-6);
  EXPECT_NEAR(model.bias, -.125536187, 1e-6);
  EXPECT_NEAR(model.Probability(std::vector<double>{.5, 1.2}), .530871075, 1e-6);
}

TEST(FitLogistic, StaysFiniteWhereTheLabelsAreSeparable) {
  const cv::Mat x = (cv::Mat_<double>(4, 1) << -2, -1, 1, 2);
  const LogisticModel model = FitLogistic(x, std::vector<uint8_t>{0, 0, 1, 1}, 1e6);
  EXPECT_TRUE(std::isfinite(model.weights[0]));
  EXPECT_GT(model.Probability(std::vector<double>{1}), .99);
  EXPECT_THROW(FitLogistic(x, std::vector<uint8_t>{1, 1, 1, 1}, 1), Error);
}

// By hand: the pairs (1: .4, .8) x (0: .1, .4, .6): .4 beats .1, ties .4, loses to .6; .8 beats
// all: 4.5 of 6. scikit-learn 1.9.1, roc_auc_score: 0.75.
TEST(AreaUnderRoc, CountsPairsAndHalvesTies) {
  EXPECT_DOUBLE_EQ(
      AreaUnderRoc(std::vector<double>{.1, .4, .4, .8, .6}, std::vector<uint8_t>{0, 0, 1, 1, 0}),
      .75);
  EXPECT_TRUE(std::isnan(AreaUnderRoc(std::vector<double>{1}, std::vector<uint8_t>{1})));
}

// 40 train and 40 test identities of 3 photographs; `shift` moves one feature of test's.
struct Made {
  std::vector<ManifestItem> items;
  FeatureTable features;
};
Made MakeSplits(double shift, double test_spread) {
  Made made;
  made.features.names = {"told", "noise"};
  Random random(4);
  for (int i = 0; i < 240; ++i) {
    const bool test = i >= 120;
    ManifestItem item{.path = StrCat("p", i), .identity = StrCat("w", i / 3)};
    item.split = test ? "test" : "train";
    made.items.push_back(item);
    const double spread = test ? test_spread : 1;
    made.features.rows.push_back({random.Normal() * spread + (test ? shift : 0), random.Normal()});
  }
  return made;
}

// Two normal distributions whose means lie 1.5 deviations apart: AUC Phi(1.5 / sqrt 2) = .856.
TEST(CompareSplits, FindsTheFeatureThatTellsThemApart) {
  const Made made = MakeSplits(1.5, 1);
  const AdversarialReport report = CompareSplits(made.items, made.features, {}, {});
  EXPECT_EQ(report.train, 120);
  EXPECT_NEAR(report.auc, .856, .05);
  ASSERT_EQ(report.features.size(), 2u);
  EXPECT_EQ(report.features[0].name, "told");
  EXPECT_NEAR(report.features[0].auc, .856, .05);
  EXPECT_GT(report.features[0].z, 5);
  EXPECT_LT(std::abs(report.features[1].z), 3);
}

TEST(CompareSplits, SeesASpreadThatDiffersThoughMeansDoNot) {
  const Made wide = MakeSplits(0, 4), same = MakeSplits(0, 1);
  EXPECT_GT(CompareSplits(wide.items, wide.features, {}, {}).auc, .7);
  EXPECT_NEAR(CompareSplits(same.items, same.features, {}, {}).auc, .5, .1);
}

// Every identity has an embedding of its own and nothing else differs: a classifier that saw an
// identity's other photographs would tell train from test by who is on them.
TEST(CompareSplits, DoesNotRecogniseIndividuals) {
  Made made = MakeSplits(0, 1);
  std::vector<std::vector<float>> embeddings;
  for (int i = 0; i < 240; ++i) {
    Random random(RandomKey({7, static_cast<uint64_t>(i / 3)}));
    embeddings.emplace_back();
    for (int k = 0; k < 16; ++k) embeddings.back().push_back(static_cast<float>(random.Normal()));
  }
  EXPECT_NEAR(CompareSplits(made.items, made.features, embeddings, {.c = 100}).auc, .5, .12);
}

// Which photographs could not be read must not tell train from test.
TEST(CompareSplits, LeavesOutWhatHasNoFeatures) {
  Made made = MakeSplits(0, 1);
  for (size_t i = 120; i < 180; ++i) made.features.rows[i].clear();
  const AdversarialReport report = CompareSplits(made.items, made.features, {}, {});
  EXPECT_EQ(report.train, 120);
  EXPECT_EQ(report.test, 60);
  EXPECT_NEAR(report.auc, .5, .12);
  EXPECT_TRUE(std::isnan(report.p_test[120]));
  for (size_t i = 180; i < 240; ++i) made.features.rows[i].clear();
  EXPECT_THAT(ErrorOf([&] { CompareSplits(made.items, made.features, {}, {}); }).what(),
              HasSubstr("'test' 0"));
}

TEST(CompareSplits, NamesASplitThatIsNotThere) {
  const Made made = MakeSplits(1, 1);
  EXPECT_THAT(
      ErrorOf([&] { CompareSplits(made.items, made.features, {}, {.test_split = "val"}); }).what(),
      HasSubstr("'val' 0"));
}

// Odds at p = .8, .5, .2 are 4, 1, 1/4, the prior 1; their mean is 1.75.
TEST(TrainWeights, AreTheOddsOfTestWithMeanOne) {
  std::vector<ManifestItem> items = Named({"a", "b", "c", "d"});
  for (ManifestItem& item : items) item.split = "train";
  items[3].split = "test";
  AdversarialReport report;
  report.train = 3, report.test = 3;
  report.p_test = {.8, .5, .2, .9};
  const std::vector<double> weights = TrainWeights(items, report, {});
  EXPECT_NEAR(weights[0], 4 / 1.75, 1e-9);
  EXPECT_NEAR(weights[1], 1 / 1.75, 1e-9);
  EXPECT_NEAR(weights[2], .25 / 1.75, 1e-9);
  EXPECT_TRUE(std::isnan(weights[3]));
}

TEST(TrainWeights, AreThoseOfTheRestWhereOneIsLeftOut) {
  std::vector<ManifestItem> items = Named({"a", "b", "c", "d", "e"});
  for (ManifestItem& item : items) item.split = "train";
  items[4].split = "test";
  AdversarialReport report;
  report.train = 3, report.test = 3;
  report.p_test = {.8, std::nan(""), .5, .2, .9};
  const std::vector<double> weights = TrainWeights(items, report, {});
  EXPECT_NEAR(weights[0], 4 / 1.75, 1e-9);
  EXPECT_TRUE(std::isnan(weights[1]));
  EXPECT_NEAR(weights[3], .25 / 1.75, 1e-9);
}

TEST(MatchedValidation, NeverTakesWhatIsLeftOut) {
  std::vector<ManifestItem> items = Named({"a", "a", "b", "b"});
  for (ManifestItem& item : items) item.split = "train";
  AdversarialReport report;
  report.train = 3, report.test = 1;
  report.p_test = {std::nan(""), .9, .6, .7};
  EXPECT_THAT(MatchedValidation(items, report, {}, 1, false), ElementsAre(false, true, true, true));
  EXPECT_THAT(MatchedValidation(items, report, {}, .4, true),
              ElementsAre(false, true, false, false));
}

TEST(MatchedValidation, TakesThePhotographsOrIdentitiesMostLikeTest) {
  std::vector<ManifestItem> items = Named({"a", "a", "b", "b", "c"});
  for (ManifestItem& item : items) item.split = "train";
  items[4].split = "test";
  AdversarialReport report;
  report.train = 4, report.test = 1;
  report.p_test = {.9, .1, .6, .7, .95};
  EXPECT_THAT(MatchedValidation(items, report, {}, .5, false),
              ElementsAre(true, false, false, true, false));
  EXPECT_THAT(MatchedValidation(items, report, {}, .5, true),
              ElementsAre(false, false, true, true, false));
}

}  // namespace
}  // namespace fluke
