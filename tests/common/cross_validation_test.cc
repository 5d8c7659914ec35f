#include "common/curation/cross_validation.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/text.h"

namespace fluke {
namespace {

using ::testing::ElementsAre;

std::vector<ManifestItem> Whales() {
  std::vector<ManifestItem> items;
  for (int i = 0; i < 12; ++i) {
    items.push_back({.path = StrCat(i, ".jpg"), .identity = StrCat("w", i / 2)});
    items.back().split = i >= 10 ? "test" : i % 2 == 0 ? "train" : "val";
  }
  return items;
}

TEST(DivideIntoFolds, LeavesTestOutAndKeepsIdentitiesWhole) {
  std::vector<ManifestItem> items = Whales();
  DivideIntoFolds("identity", {.shares = std::vector<double>(5, .2), .folds = true}, &items);
  std::multiset<std::string> splits;
  for (size_t i = 0; i < 10; i += 2) {
    EXPECT_EQ(items[i].split, items[i + 1].split);
    splits.insert(items[i].split);
  }
  EXPECT_THAT(splits, ElementsAre("0", "1", "2", "3", "4"));  // five identities of two
  EXPECT_EQ(items[10].split, "test");
  EXPECT_EQ(items[11].split, "test");
}

TEST(FoldManifest, TrainsOnTheOtherFolds) {
  std::vector<ManifestItem> items(5);
  const char* splits[] = {"0", "1", "2", "test", ""};
  for (size_t i = 0; i < 5; ++i) items[i].split = splits[i];
  std::vector<std::string> divided;
  for (const ManifestItem& item : FoldManifest(items, 1)) divided.push_back(item.split);
  EXPECT_THAT(divided, ElementsAre("train", "val", "train", "test", ""));
}

// statistics.mean and stdev of Python 3: 0.5, 0.1.
TEST(SummariseFolds, GivesMeanAndTheDeviationOfASample) {
  const FoldSummary summary = SummariseFolds(std::vector<double>{.4, .5, .6});
  EXPECT_DOUBLE_EQ(summary.mean, .5);
  EXPECT_NEAR(summary.deviation, .1, 1e-12);
  EXPECT_EQ(summary.least, .4);
  EXPECT_EQ(summary.most, .6);
  EXPECT_EQ(SummariseFolds(std::vector<double>{.4}).deviation, 0);
}

}  // namespace
}  // namespace fluke
