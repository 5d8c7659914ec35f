#include "common/curation/deal.h"

#include <filesystem>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/csv.h"
#include "tests/folders.h"

namespace fluke {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

const std::vector<double> kHalves = {.5, .5};
const std::vector<double> kThirds(3, 1.0 / 3);

// The middles of 4, 3, 2 and 1 photographs in a row lie at 2, 5.5, 8 and 9.5 of 10; halves meet
// at 5.
TEST(CutByShare, PutsAGroupWhereItsMiddleLies) {
  EXPECT_THAT(CutByShare(std::vector<int64_t>{4, 3, 2, 1}, kHalves), ElementsAre(0, 1, 1, 1));
  EXPECT_THAT(CutByShare(std::vector<int64_t>{1, 1, 1, 1}, std::vector<double>{.5, 0, .5}),
              ElementsAre(0, 0, 2, 2));
}

// scikit-learn 1.9.1, GroupKFold(3) of groups of these sizes.
TEST(BalanceGroups, IsGroupKFoldWithEqualShares) {
  EXPECT_THAT(BalanceGroups(std::vector<int64_t>{3, 11, 7, 1, 9, 5, 8, 2, 13, 6}, kThirds),
              ElementsAre(1, 1, 1, 0, 2, 2, 2, 0, 0, 0));
}

// Shares 3/4 and 1/4, fullest first: 6 -> 0 (8 of 1); 4 -> 1 (16); 3 -> 0 (12); 2 -> 0 (14.7); 1 ->
// 0.
TEST(BalanceGroups, FillsPartsInProportionToTheirShares) {
  EXPECT_THAT(BalanceGroups(std::vector<int64_t>{6, 4, 3, 2, 1}, std::vector<double>{.75, .25}),
              ElementsAre(0, 1, 0, 0, 0));
}

// What parts lack, by hand: (.5 .25 .25) -> 0; (0 .5 .5) -> 1; (.5 -.25 .75) -> 2; (1 0 0) -> 0.
TEST(Deal, GivesEachPartItsShareOfEveryStretch) {
  EXPECT_THAT(Deal(4, std::vector<double>{.5, .25, .25}), ElementsAre(0, 1, 2, 0));
  EXPECT_THAT(Deal(7, kThirds), ElementsAre(0, 1, 2, 0, 1, 2, 0));
}

// StratifiedKFold's property: n_l / k of each label in each fold, rounded down or up.
TEST(Deal, StratifiesExamplesInTheOrderOfTheirLabels) {
  const std::vector<int64_t> sizes = {7, 4, 9, 1, 12};
  const std::vector<int> parts = Deal(33, kThirds);
  size_t next = 0;
  for (int64_t size : sizes) {
    std::vector<int64_t> of_part(3, 0);
    for (int64_t i = 0; i < size; ++i) ++of_part[parts[next++]];
    for (int64_t count : of_part) {
      EXPECT_GE(count, size / 3);
      EXPECT_LE(count, (size + 2) / 3);
    }
  }
}

// scikit-learn 1.9.1, StratifiedGroupKFold(3) of groups with these counts of three labels.
TEST(BalanceLabelledGroups, IsStratifiedGroupKFoldWithEqualShares) {
  const std::vector<std::vector<int64_t>> table = {{5, 0, 1}, {0, 4, 2}, {3, 3, 0}, {1, 0, 6},
                                                   {2, 2, 2}, {0, 7, 0}, {4, 1, 0}, {0, 0, 3},
                                                   {2, 5, 1}, {1, 1, 4}};
  std::vector<std::vector<LabelCount>> groups;
  for (const std::vector<int64_t>& row : table) {
    groups.emplace_back();
    for (int label = 0; label < 3; ++label) {
      if (row[label] > 0) groups.back().push_back({label, row[label]});
    }
  }
  EXPECT_THAT(BalanceLabelledGroups(groups, 3, kThirds), ElementsAre(2, 2, 1, 1, 0, 0, 0, 0, 1, 2));
}

// Two parts of three. Label 0 (examples 0, 1) is rarest: 0 -> part 0 (all tied), 1 -> part 1, which
// lacks it. Label 1 (2, 3, 5 left; part 0 lacks 1, part 1 lacks 2): 2 -> 1; 3 tied in the label,
// part 0 lacks 2 examples, part 1 one: -> 0; 5 -> 1. Example 4 fills part 0.
TEST(StratifyIteratively, DealsTheRarestLabelFirstAsInThePaper) {
  EXPECT_THAT(StratifyIteratively({{0, 1}, {0}, {1}, {1}, {}, {1}}, kHalves),
              ElementsAre(0, 1, 1, 0, 0, 1));
}

TEST(StratifyIteratively, LeavesPartsWithoutAShareEmpty) {
  EXPECT_THAT(StratifyIteratively({{0}, {0, 1}, {}, {1}}, std::vector<double>{0, 1}), Each(1));
}

// Real data: 24 attributes of several values each, some cells empty.
TEST(StratifyIteratively, StratifiesClothingLabelsWithinTwoOfTheirShare) {
  const std::filesystem::path csv = DataFolder() / "clothing" / "labels.csv";
  if (!std::filesystem::exists(csv)) GTEST_SKIP() << "no " << csv;
  const CsvTable table = ReadCsv(csv);
  std::vector<std::vector<int>> labels(table.rows.size());
  std::map<std::pair<size_t, std::string>, int> number_of;
  for (size_t row = 0; row < table.rows.size(); ++row) {
    for (size_t column = 1; column < table.header.size(); ++column) {
      const std::string& text = table.rows[row].fields[column];
      if (text.empty()) continue;
      labels[row].push_back(
          number_of.emplace(std::pair(column, text), number_of.size()).first->second);
    }
  }
  const std::vector<double> fifths(5, .2);
  const std::vector<int> parts = StratifyIteratively(labels, fifths);
  std::vector<std::vector<int64_t>> counts(number_of.size(), std::vector<int64_t>(5, 0));
  for (size_t row = 0; row < labels.size(); ++row) {
    for (int label : labels[row]) ++counts[label][parts[row]];
  }
  // A random fold's count of a label with 700 of 1,479 has a standard deviation of 9. Rare labels
  // are dealt first and hit their share almost exactly.
  for (const std::vector<int64_t>& of_part : counts) {
    const int64_t total = std::accumulate(of_part.begin(), of_part.end(), int64_t{0});
    if (total > 60) continue;
    for (int64_t count : of_part) EXPECT_NEAR(static_cast<double>(count), total / 5.0, 2);
  }
}

}  // namespace
}  // namespace fluke
