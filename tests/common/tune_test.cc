// The search of hyper-parameters: spaces, samplers, pruners, importance.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/tune/importance.h"
#include "common/tune/pruners.h"
#include "common/tune/samplers.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(SearchSpace, MapsPositionsToValuesOnTheirScales) {
  const auto space = ParseSearchSpace(
      "optimizer.lr: {min: 1e-4, max: 1e-2, log: true}\n"
      "train.batch_size: {min: 16, max: 64, step: 16}\n"
      "model.backbone: [conv4, resnet18]\n"
      "model.dropout: {min: 0, max: 0.5}\n",
      "space.yaml");
  ASSERT_EQ(space.size(), 4u);
  EXPECT_EQ(ValueAt(space[0], 0), "0.0001");
  EXPECT_EQ(ValueAt(space[0], .5), "0.001");  // the geometric mean
  EXPECT_EQ(ValueAt(space[0], 1), "0.01");
  std::vector<std::string> sizes;
  for (double position : {0.0, .1, .3, .6, .9, 1.0}) sizes.push_back(ValueAt(space[1], position));
  EXPECT_THAT(sizes, ElementsAre("16", "16", "32", "48", "64", "64"));
  EXPECT_EQ(CellCount(space[1]), 4);
  EXPECT_DOUBLE_EQ(CellCentre(space[1], .3), .375);  // 32 is the second of four
  EXPECT_EQ(ValueAt(space[2], .49), "conv4");
  EXPECT_EQ(ValueAt(space[2], .5), "resnet18");
  EXPECT_DOUBLE_EQ(CellCentre(space[2], .9), .75);
  EXPECT_EQ(ValueAt(space[3], .25), "0.125");
  EXPECT_EQ(CellCount(space[3]), 0);
}

TEST(SearchSpace, NamesLineAndKeyOfWhatIsWrong) {
  const auto message = [](std::string_view yaml) {
    return std::string(ErrorOf([&] { ParseSearchSpace(yaml, "s.yaml"); }).what());
  };
  EXPECT_THAT(message("a: [1]\n"), HasSubstr("s.yaml:1: a: one choice"));
  EXPECT_THAT(message("a: [1, 2]\nb: 3\n"), HasSubstr("s.yaml:2: b: "));
  EXPECT_THAT(message("a: {min: 1, max: 0}\n"), HasSubstr("min 1 is not below max 0"));
  EXPECT_THAT(message("a: {min: 0, max: 1, log: true}\n"), HasSubstr("above 0"));
  EXPECT_THAT(message("a: {min: 0, maxi: 1}\n"), HasSubstr("unknown key 'maxi'"));
  EXPECT_THAT(message("a: {min: 0, max: one}\n"), HasSubstr("max is 'one'"));
  EXPECT_THAT(message("a: [1, 2]\na: [1, 2]\n"), HasSubstr("s.yaml:2: a stands here twice"));
  EXPECT_THAT(message(""), HasSubstr("s.yaml"));
}

// Means of scipy.stats.truncnorm densities (SciPy 1.17.1): kernels (.2, width 1/3) and (.5, 1);
// then
// (.2, .3), (.5, 1), (.6, .25).
TEST(ParzenDensity, IsAMixtureOfTruncatedNormals) {
  EXPECT_NEAR(ParzenDensity({.2}).LogAt(.5), .0743205367, 1e-6);
  EXPECT_NEAR(ParzenDensity({.2}).LogAt(.05), .2024649601, 1e-6);
  EXPECT_NEAR(ParzenDensity({.6, .2}).LogAt(.9), -.4524369996, 1e-6);
}

TEST(ParzenDensity, DrawsWhatItsDensitySays) {
  const ParzenDensity density({.1, .12, .8});
  double below = 0, drawn = 0;
  const int n = 4000;
  for (int i = 0; i < n; ++i) {
    below += std::exp(density.LogAt((i + .5) / n)) / n * ((i + .5) / n < .3);
    drawn += density.Draw((i % 63 + .5) / 63, (i / 63 + .5) / 64) < .3;
  }
  EXPECT_NEAR(drawn / n, below, .02);
}

// After 60 trials of -(x - .3)^2 - (y - .7)^2, less .1 for the wrong choice: mean shortfall over
// seeds.
double MeanShortfall(const SamplerKind& sampler) {
  const auto space =
      ParseSearchSpace("x: {min: 0, max: 1}\ny: {min: 0, max: 1}\nc: [a, b, c, d]\n", "space.yaml");
  double sum = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    std::vector<TrialResult> results;
    double best = -10;
    for (int trial = 1; trial <= 60; ++trial) {
      const std::vector<double> at = sampler.sample(space, results, seed, trial);
      const double value = -std::pow(at[0] - .3, 2) - std::pow(at[1] - .7, 2) -
                           (ValueAt(space[2], at[2]) == "c" ? 0 : .1);
      results.push_back({.positions = at, .value = value});
      best = std::max(best, value);
    }
    sum -= best;
  }
  return sum / 10;
}

TEST(Samplers, FindBetterPlacesByParzenEstimatorsThanAtRandom) {
  const double tpe = MeanShortfall(SamplerKinds()[0]), random = MeanShortfall(SamplerKinds()[1]);
  EXPECT_LT(tpe, random / 2);
}

TEST(Samplers, DependOnSeedTrialAndResultsAlone) {
  const auto space = ParseSearchSpace("x: {min: 0, max: 1}\n", "space.yaml");
  for (const SamplerKind& sampler : SamplerKinds()) {
    EXPECT_EQ(sampler.sample(space, {}, 1, 5), sampler.sample(space, {}, 1, 5));
    EXPECT_NE(sampler.sample(space, {}, 1, 5), sampler.sample(space, {}, 1, 6));
    EXPECT_NE(sampler.sample(space, {}, 1, 5), sampler.sample(space, {}, 2, 5));
  }
}

// Five finished trials with .1 .. .5 after epoch 2: their median is .3.
TEST(PruneBelowMedian, ComparesTheBestSoFarWithOthersAtTheSameEpoch) {
  std::vector<CurveOfTrial> curves;
  for (int64_t trial = 1; trial <= 5; ++trial)
    curves.push_back({trial, {{1, .9}, {2, .1 * static_cast<double>(trial)}}, true});
  curves.push_back({6, {{1, .2}, {2, .25}}, false});
  EXPECT_TRUE(PruneBelowMedian(6, curves, 10));
  curves[5].values[1] = .35;  // its best
  EXPECT_FALSE(PruneBelowMedian(6, curves, 10));
  curves[5].values[1] = .2;
  curves[0].finished = false;
  EXPECT_FALSE(PruneBelowMedian(6, curves, 10));  // four are too few
}

// 9 epochs: brackets 0, 1, 2 begin at epochs 1, 3 and 9. Trials 3, 6, 9 .. are of bracket 0.
TEST(PruneByHyperband, KeepsTheBestThirdOfItsBracketAtEachRung) {
  std::vector<CurveOfTrial> curves;
  for (int64_t trial : {3, 6, 9, 12, 15, 18})
    curves.push_back({trial, {{1, static_cast<double>(trial)}}, false});
  EXPECT_FALSE(PruneByHyperband(18, curves, 9));  // the best two of six go on
  EXPECT_FALSE(PruneByHyperband(15, curves, 9));
  EXPECT_TRUE(PruneByHyperband(12, curves, 9));
  curves.push_back({4, {{1, 0.0}, {2, 0.0}}, false});  // bracket 1 is not looked at before epoch 3
  EXPECT_FALSE(PruneByHyperband(4, curves, 9));
  curves[0].values[2] = 0;  // between rungs
  EXPECT_FALSE(PruneByHyperband(3, curves, 9));
  curves[5].values[3] = 1, curves[4].values[3] = 2;
  EXPECT_TRUE(PruneByHyperband(18, curves, 9));  // second of two
  EXPECT_FALSE(PruneByHyperband(15, curves, 9));
}

// c: groups {1, 2} and {5, 6}, grand mean 3.5: between 16, within 1, mean square within .5: (16 -
// .5) / (17 + .5) = .8857. x: quarters of one each: no degrees of freedom are left.
TEST(Importance, IsOmegaSquared) {
  const auto space = ParseSearchSpace("x: {min: 0, max: 1}\nc: [a, b]\n", "space.yaml");
  const std::vector<TrialResult> results = {{.positions = {.1, .25}, .value = 1},
                                            {.positions = {.9, .25}, .value = 2},
                                            {.positions = {.4, .75}, .value = 5},
                                            {.positions = {.5, .75}, .value = 6},
                                            {.positions = {.5, .75}, .value = 99, .pruned_at = 1}};
  const auto importance = Importance(space, results);
  EXPECT_EQ(importance[0].name, "c");
  EXPECT_NEAR(importance[0].share, 15.5 / 17.5, 1e-12);
  EXPECT_EQ(importance[1].share, 0);
}

}  // namespace
}  // namespace fluke
