#include "common/curation/split_kinds.h"

#include <algorithm>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/curation/timestamp.h"
#include "common/random.h"
#include "common/split.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Items = std::vector<ManifestItem>;

// Identity i has i + 1 photographs, every one of its own day, in one of three encounters.
Items Whales(int identities) {
  Items items;
  for (int i = 0; i < identities; ++i) {
    for (int photo = 0; photo <= i; ++photo) {
      ManifestItem item{.path = StrCat("w", i, "/", photo, ".jpg"), .identity = StrCat("w", i)};
      item.timestamp = StrCat("2019-", 10 + i % 3, "-", 10 + photo);
      item.metadata["encounter"] = StrCat("e", i / 2, "_", photo % 3);
      item.metadata["side"] = photo % 2 == 0 ? "left" : "right";
      items.push_back(item);
    }
  }
  return items;
}

std::map<std::string, std::string> SplitOfPath(const Items& items) {
  std::map<std::string, std::string> split_of;
  for (const ManifestItem& item : items) split_of[item.path] = item.split;
  return split_of;
}

std::map<std::string, std::set<std::string>> SplitsOf(const Items& items, std::string_view column) {
  std::map<std::string, std::set<std::string>> splits_of;
  for (const ManifestItem& item : items) {
    const std::string& value = column == "identity" ? item.identity : item.metadata.at("encounter");
    splits_of[value].insert(item.split);
  }
  return splits_of;
}

int64_t PhotosIn(const Items& items, std::string_view split) {
  return std::count_if(items.begin(), items.end(),
                       [&](const ManifestItem& item) { return item.split == split; });
}

SplitRequest Folds(int k) {
  return {.shares = std::vector<double>(static_cast<size_t>(k), 1.0 / k), .folds = true};
}

TEST(DivideItems, DoesNotDependOnTheOrderOfTheRows) {
  for (const SplitKind& kind : SplitKinds()) {
    for (const std::optional<uint64_t> seed : {std::optional<uint64_t>(), {1}, {2}}) {
      SplitRequest request;
      request.seed = seed;
      request.group_column = "encounter";
      request.label_columns = {"side", "encounter"};
      if (kind.name == "time") request.cuts = {*ParseTimestamp("2019-11-12")};
      Items items = Whales(12), shuffled = items;
      Random random(99);
      random.Shuffle(shuffled.begin(), shuffled.end());
      DivideItems(kind.name, request, &items);
      DivideItems(kind.name, request, &shuffled);
      EXPECT_EQ(SplitOfPath(items), SplitOfPath(shuffled)) << kind.name;
      request.seed = seed.value_or(0) + 10;
      Items other = Whales(12);
      DivideItems(kind.name, request, &other);
      // Nothing is drawn, or only what the balance leaves open.
      if (kind.name.starts_with("time") || kind.name == "stratified-group") continue;
      EXPECT_NE(SplitOfPath(items), SplitOfPath(other)) << kind.name;
    }
  }
}

TEST(DivideItems, ByIdentityHoldsOutWhatTrainingAloneWouldHoldOut) {
  Items items = Whales(20);
  std::vector<std::string> names;
  for (const ManifestItem& item : items) names.push_back(item.identity);
  DivideItems("identity", {}, &items);
  const std::set<std::string> held_out = HeldOut(names, .2);
  EXPECT_EQ(held_out.size(), 4u);
  for (const ManifestItem& item : items)
    EXPECT_EQ(item.split, held_out.contains(item.identity) ? "test" : "train");
}

TEST(DivideItems, KeepsIdentitiesOrGroupsWhole) {
  for (const auto& [kind, column] : {std::pair("identity", "identity"),
                                     {"disjoint", "identity"},
                                     {"group", "encounter"},
                                     {"stratified-group", "encounter"}}) {
    Items items = Whales(12);
    SplitRequest request = Folds(4);
    request.group_column = "encounter";
    DivideItems(kind, request, &items);
    for (const auto& [name, splits] : SplitsOf(items, column))
      EXPECT_EQ(splits.size(), 1u) << kind << " " << name;
  }
}

// 78 photographs, at most 12 of an identity: the middle rule misses a share by 6 at most.
TEST(DivideItems, DisjointlyCountsPhotographs) {
  Items items = Whales(12);
  DivideItems("disjoint", {.shares = {.6, .2, .2}, .seed = 3}, &items);
  EXPECT_NEAR(PhotosIn(items, "train"), 78 * .6, 6);
  EXPECT_NEAR(PhotosIn(items, "test"), 78 * .2, 6);
  EXPECT_EQ(PhotosIn(items, "train") + PhotosIn(items, "val") + PhotosIn(items, "test"), 78);
}

// numpy.round(.8 n), one at least, one less where that is all of two or more: 1, 1, 2, 3, 4, 5,
// 6, 6.
TEST(DivideItems, ClosedPutsEveryIdentityOnBothSides) {
  Items items = Whales(8);
  DivideItems("closed", {.seed = 5}, &items);
  std::map<std::string, int64_t> train_of;
  for (const ManifestItem& item : items) {
    train_of[item.identity] += item.split == "train";
    EXPECT_EQ(item.is_gallery, item.split == "train");
    EXPECT_EQ(item.is_query, item.split == "test");
  }
  EXPECT_THAT(train_of,
              ElementsAre(testing::Pair("w0", 1), testing::Pair("w1", 1), testing::Pair("w2", 2),
                          testing::Pair("w3", 3), testing::Pair("w4", 4), testing::Pair("w5", 5),
                          testing::Pair("w6", 6), testing::Pair("w7", 6)));
}

TEST(DivideItems, OpenHasIdentitiesThatOnlyTestHas) {
  Items items = Whales(12);
  DivideItems("open", {.shares = {.7, .3}, .seed = 5, .new_identity_share = .2}, &items);
  int64_t new_photos = 0;
  for (const auto& [identity, splits] : SplitsOf(items, "identity")) {
    if (splits == std::set<std::string>{"test"}) new_photos += std::stoll(identity.substr(1)) + 1;
  }
  EXPECT_NEAR(static_cast<double>(new_photos), 78 * .2, 6);
  EXPECT_NEAR(static_cast<double>(PhotosIn(items, "train")), 78 * .7, 6);
}

TEST(DivideItems, StratifiedFoldsHoldTheirShareOfEveryIdentity) {
  Items items = Whales(9);
  DivideItems("stratified", Folds(3), &items);
  std::map<std::pair<std::string, std::string>, int64_t> count;
  for (const ManifestItem& item : items) ++count[{item.identity, item.split}];
  for (int i = 0; i < 9; ++i) {
    for (const char* fold : {"0", "1", "2"}) {
      const int64_t photos = count[std::pair(StrCat("w", i), std::string(fold))];
      EXPECT_GE(photos, (i + 1) / 3);
      EXPECT_LE(photos, (i + 3) / 3);
    }
  }
}

TEST(DivideItems, AtTimesPutsTheCutItselfIntoTheLaterPart) {
  Items items;
  for (const char* day : {"2019-05-16", "2019-05-17", "2019-05-18", "2019-05-19", ""}) {
    items.push_back({.path = StrCat("p", day)});
    items.back().timestamp = day;
  }
  SplitRequest request;
  request.cuts = {*ParseTimestamp("2019-05-17"), *ParseTimestamp("2019-05-18")};
  request.end = ParseTimestamp("2019-05-19");
  DivideItems("time", request, &items);
  std::vector<std::string> splits;
  for (const ManifestItem& item : items) splits.push_back(item.split);
  EXPECT_THAT(splits, ElementsAre("train", "val", "test", "", ""));
}

// wildlife-datasets' TimeProportionSplit: of d days the first min(d - 1, round(d / 2)) train; an
// identity of one day trains. Two photographs of a day stay together.
TEST(DivideItems, DatesOfAnIdentityAreCutInTwo) {
  Items items;
  const auto add = [&](const char* identity, const char* time) {
    items.push_back({.path = StrCat(identity, time), .identity = identity});
    items.back().timestamp = time;
  };
  add("a", "2019-05-04 10:00"), add("a", "2019-05-04 23:59"), add("a", "2019-05-01"),
      add("a", "2019-05-02"), add("a", "2019-05-03 12:00");
  add("b", "2018-01-01"), add("b", "2018-01-01 01:00");
  add("c", "2020-01-02"), add("c", "2020-01-01");
  DivideItems("time-identity", {.shares = {.5, .5}}, &items);
  std::vector<std::string> splits;
  for (const ManifestItem& item : items) splits.push_back(item.split);
  EXPECT_THAT(splits, ElementsAre("test", "test", "train", "train", "test", "train", "train",
                                  "test", "train"));
}

TEST(DivideItems, NamesWhatIsWrong) {
  Items items = Whales(3);
  const auto message = [&](std::string_view kind, const SplitRequest& request) {
    return std::string(ErrorOf([&] { DivideItems(kind, request, &items); }).what());
  };
  EXPECT_THAT(message("closd", {}), HasSubstr("did you mean 'closed'"));
  EXPECT_THAT(message("closed", Folds(3)), HasSubstr("makes no folds"));
  EXPECT_THAT(message("identity", {.shares = {.5, .2}}), HasSubstr("sum to 0.7"));
  EXPECT_THAT(message("group", {}), HasSubstr("--group"));
  EXPECT_THAT(message("group", {.group_column = "encountr"}),
              HasSubstr("column 'encountr'; found encounter, identity, path, side, timestamp"));
  EXPECT_THAT(message("multilabel", {}), HasSubstr("--labels"));
  EXPECT_THAT(message("time", {}), HasSubstr("--at"));
  EXPECT_THAT(message("identity", Folds(7)), HasSubstr("nothing is left for '3'"));
  items[1].timestamp = "yesterday";
  EXPECT_THAT(message("time-identity", {}), HasSubstr("w1/0.jpg: timestamp 'yesterday'"));
}

TEST(MarkQueries, TakesSoManyOfEveryIdentityThatHasMore) {
  Items items = Whales(4);
  for (ManifestItem& item : items) item.split = "test";
  MarkQueries("test", 2, 1, &items);
  std::map<std::string, int64_t> queries;
  for (const ManifestItem& item : items) {
    queries[item.identity] += *item.is_query;
    EXPECT_NE(*item.is_query, *item.is_gallery);
  }
  EXPECT_THAT(queries, ElementsAre(testing::Pair("w0", 0), testing::Pair("w1", 0),
                                   testing::Pair("w2", 2), testing::Pair("w3", 2)));
}

}  // namespace
}  // namespace fluke
