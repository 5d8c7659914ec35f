#include "common/metrics/significance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/common/scratch.h"

namespace fluke {
namespace {

using testing::HasSubstr;

const std::vector<double> kA = {.5, 1, .25, 0, 1, .333, .2, 1, 0, .5, 1, .125};
const std::vector<double> kB = {.25, 1, .5, 0, .5, .333, .1, .5, .1, .25, .5, 0};

// Sixty queries: round((i * 37 % 60) / 60, 4) and round((i * 23 % 60) / 60 * .8, 4).
std::vector<double> Sixty(int step, double scale) {
  std::vector<double> values;
  for (int i = 0; i < 60; ++i) {
    values.push_back(std::round(i * step % 60 / 60.0 * scale * 1e4) / 1e4);
  }
  return values;
}

TEST(Significance, StudentsTestAgreesWithScipy) {
  // scipy 1.17.1, stats.ttest_rel
  const PairedTest test = ComparePaired(kA, kB, {});
  EXPECT_NEAR(test.t, 2.176720387909275, 1e-12);
  EXPECT_NEAR(test.p_student, 0.0521625761036233, 1e-12);
  EXPECT_EQ(test.better, 7);
  EXPECT_EQ(test.worse, 2);
  EXPECT_EQ(test.equal, 3);
  const PairedTest sixty = ComparePaired(Sixty(37, 1), Sixty(23, .8), {});
  EXPECT_NEAR(sixty.t, 1.4904503501729158, 1e-12);
  EXPECT_NEAR(sixty.p_student, 0.14143297339659644, 1e-12);
}

TEST(Significance, StudentsTailsAgreeWithScipy) {
  // scipy 1.17.1, 2 * stats.t.sf(t, degrees)
  EXPECT_NEAR(StudentTwoSided(.5, 1), 0.7048327646991335, 1e-12);
  EXPECT_NEAR(StudentTwoSided(2.2, 7), 0.06373101530263678, 1e-12);
  EXPECT_NEAR(StudentTwoSided(-3, 2), 0.09546596626670913, 1e-12);
  EXPECT_NEAR(StudentTwoSided(1.96, 100000), 0.04999856319430168, 1e-9);
  EXPECT_NEAR(StudentTwoSided(12.5, 59) / 3.1615289899762436e-18, 1, 1e-9);
}

TEST(Significance, FewDifferencesAreFlippedInAllWays) {
  // scipy 1.17.1, stats.permutation_test(permutation_type='samples', n_resamples=inf)
  const PairedTest test = ComparePaired(kA, kB, {});
  EXPECT_TRUE(test.randomisation_is_exact);
  EXPECT_DOUBLE_EQ(test.p_randomisation, 0.06640625);
}

TEST(Significance, ManyDifferencesAreFlippedAtRandom) {
  // scipy 1.17.1, 200,000 resamples: .13997; the standard error of 20,000 is .0025.
  const BootstrapOptions options = {.resamples = 20000, .seed = 3};
  const PairedTest test = ComparePaired(Sixty(37, 1), Sixty(23, .8), options);
  EXPECT_FALSE(test.randomisation_is_exact);
  EXPECT_NEAR(test.p_randomisation, 0.13997, .01);
  EXPECT_EQ(ComparePaired(Sixty(37, 1), Sixty(23, .8), options).p_randomisation,
            test.p_randomisation);
}

TEST(Significance, EqualRunsDoNotDiffer) {
  const PairedTest test = ComparePaired(kA, kA, {});
  EXPECT_EQ(test.p_student, 1);
  EXPECT_EQ(test.p_randomisation, 1);
  EXPECT_EQ(test.equal, 12);
  EXPECT_THAT(ErrorOf([] { ComparePaired(kA, std::vector<double>{1}, {}); }).what(),
              HasSubstr("not 12 and 1"));
}

TEST(Significance, BootstrapAgreesWithScipy) {
  // scipy 1.17.1, stats.bootstrap(method='percentile', n_resamples=200000): .41888, .56445.
  const std::vector<double> values = Sixty(37, 1);
  const auto intervals = BootstrapMeans(values, 1, {}, {.resamples = 20000, .seed = 1});
  ASSERT_EQ(intervals.size(), 1u);
  EXPECT_NEAR(intervals[0].low, 0.41888, .003);
  EXPECT_NEAR(intervals[0].high, 0.56445, .003);
}

TEST(Significance, ColumnsAreDrawnTogetherAndRepeatForASeed) {
  std::vector<double> pairs;  // the second column is twice the first
  for (double value : Sixty(37, 1)) pairs.insert(pairs.end(), {value, 2 * value});
  const auto intervals = BootstrapMeans(pairs, 2, {}, {.seed = 9});
  EXPECT_NEAR(intervals[1].low, 2 * intervals[0].low, 1e-12);
  EXPECT_EQ(BootstrapMeans(pairs, 2, {}, {.seed = 9})[0].high, intervals[0].high);
  EXPECT_NE(BootstrapMeans(pairs, 2, {}, {.seed = 10})[0].high, intervals[0].high);
}

TEST(Significance, DrawingWholeIndividualsWidensTheInterval) {
  // Twenty individuals of three photographs that are all right or all wrong: as uncertain as
  // twenty photographs, standard error sqrt(.25 / 20) = .112, not sqrt(.25 / 60) = .065.
  std::vector<double> values;
  std::vector<int64_t> individuals;
  for (int i = 0; i < 60; ++i) {
    values.push_back(i / 3 % 2);
    individuals.push_back(i / 3);
  }
  const BootstrapOptions options = {.resamples = 5000};
  const auto photographs = BootstrapMeans(values, 1, {}, options);
  const auto whole = BootstrapMeans(values, 1, individuals, options);
  EXPECT_NEAR((photographs[0].high - photographs[0].low) / 2 / 1.96, .065, .01);
  EXPECT_NEAR((whole[0].high - whole[0].low) / 2 / 1.96, .112, .015);
}

TEST(Significance, ImpossibleOptionsAreRefused) {
  EXPECT_THAT(ErrorOf([] { BootstrapMeans(kA, 1, {}, {.resamples = 0}); }).what(),
              HasSubstr("0 resamples"));
  EXPECT_THAT(ErrorOf([] { BootstrapMeans(kA, 1, {}, {.confidence = 95}); }).what(),
              HasSubstr("confidence is 95"));
}

}  // namespace
}  // namespace fluke
