#include "train/data/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "common/error.h"
#include "common/random.h"
#include "common/table.h"

namespace fluke::train {
namespace {

using testing::HasSubstr;

using Batches = std::vector<std::vector<int64_t>>;

struct Options {
  int64_t batch_size = 0;
  int64_t photos_per_identity = 2;
  uint64_t seed = 0;
};

Batches Draw(std::string_view name, const std::vector<int64_t>& labels, const Options& options,
             uint64_t epoch = 0) {
  const std::vector<int64_t> order = Find(Samplers(), "sampler", name)
                                         .order({.labels = labels,
                                                 .batch_size = options.batch_size,
                                                 .photos_per_identity = options.photos_per_identity,
                                                 .key = RandomKey({options.seed, epoch})});
  EXPECT_EQ(order.size() % static_cast<size_t>(options.batch_size), 0u);
  Batches batches;
  for (auto begin = order.begin(); begin != order.end(); begin += options.batch_size) {
    batches.emplace_back(begin, begin + options.batch_size);
  }
  return batches;
}

// Identity i has counts[i] photographs, in turn.
std::vector<int64_t> Labels(const std::vector<int>& counts) {
  std::vector<int64_t> labels;
  for (int round = 0; round < *std::max_element(counts.begin(), counts.end()); ++round) {
    for (size_t i = 0; i < counts.size(); ++i) {
      if (round < counts[i]) labels.push_back(static_cast<int64_t>(i));
    }
  }
  return labels;
}

std::map<int64_t, std::vector<int64_t>> ByIdentity(const std::vector<int64_t>& batch,
                                                   const std::vector<int64_t>& labels) {
  std::map<int64_t, std::vector<int64_t>> items;
  for (int64_t item : batch) items[labels[item]].push_back(item);
  return items;
}

TEST(ShuffleSampler, GivesEachPhotographOnceAndDropsTheIncompleteBatch) {
  const Batches batches =
      Draw("shuffle", std::vector<int64_t>(23, 0), {.batch_size = 5, .seed = 1});
  ASSERT_EQ(batches.size(), 4u);
  std::set<int64_t> seen;
  for (const auto& batch : batches) {
    EXPECT_EQ(batch.size(), 5u);
    seen.insert(batch.begin(), batch.end());
  }
  EXPECT_EQ(seen.size(), 20u);
  EXPECT_GE(*seen.begin(), 0);
  EXPECT_LT(*seen.rbegin(), 23);
}

TEST(ShuffleSampler, IsAFunctionOfSeedAndEpoch) {
  const std::vector<int64_t> labels(40, 0);
  const Batches first = Draw("shuffle", labels, {.batch_size = 8, .seed = 1}, 3);
  EXPECT_EQ(Draw("shuffle", labels, {.batch_size = 8, .seed = 1}, 3), first);
  EXPECT_NE(Draw("shuffle", labels, {.batch_size = 8, .seed = 1}, 4), first);
  EXPECT_NE(Draw("shuffle", labels, {.batch_size = 8, .seed = 2}, 3), first);
}

TEST(ShuffleSampler, HasNoBatchWhenPhotographsDoNotFillOne) {
  EXPECT_TRUE(Draw("shuffle", {0, 1, 2}, {.batch_size = 4}).empty());
}

TEST(PkSampler, HasPIdentitiesWithKDifferentPhotographsInEachBatch) {
  const std::vector<int64_t> labels = Labels({6, 4, 9, 5, 4, 12, 7});
  const Batches batches =
      Draw("pk", labels, {.batch_size = 12, .photos_per_identity = 4, .seed = 5}, 2);
  ASSERT_EQ(batches.size(), labels.size() / 12);
  for (const auto& batch : batches) {
    const auto by_identity = ByIdentity(batch, labels);
    EXPECT_EQ(by_identity.size(), 3u);
    for (const auto& [identity, items] : by_identity) {
      EXPECT_EQ(items.size(), 4u);
      EXPECT_EQ(std::set<int64_t>(items.begin(), items.end()).size(), 4u);
    }
  }
}

TEST(PkSampler, RepeatsPhotographsOfAnIdentityThatHasTooFew) {
  const std::vector<int64_t> labels = Labels({3, 20, 20});
  for (const auto& batch : Draw("pk", labels, {.batch_size = 12, .photos_per_identity = 4})) {
    auto items = ByIdentity(batch, labels)[0];
    ASSERT_EQ(items.size(), 4u);
    EXPECT_EQ(std::set<int64_t>(items.begin(), items.end()).size(),
              3u);  // all three, one of them twice
  }
}

TEST(PkSampler, VisitsIdentitiesEquallyOften) {
  // 10 identities, one with most of the photographs: 40 batches of 5 identities are 20 visits each.
  const std::vector<int64_t> labels = Labels({2, 2, 2, 2, 2, 2, 2, 2, 2, 382});
  std::map<int64_t, int> visits;
  const Batches batches = Draw("pk", labels, {.batch_size = 10, .photos_per_identity = 2});
  ASSERT_EQ(batches.size(), 40u);
  for (const auto& batch : batches) {
    for (const auto& [identity, items] : ByIdentity(batch, labels)) ++visits[identity];
  }
  for (const auto& [identity, count] : visits) EXPECT_EQ(count, 20) << identity;
}

TEST(PkSampler, ShowsAllPhotographsOfAnIdentityBeforeAnyAgain) {
  // 2 identities x 8 photographs, 2 a visit: after 4 batches each was there once.
  const std::vector<int64_t> labels = Labels({8, 8});
  const Batches batches =
      Draw("pk", labels, {.batch_size = 4, .photos_per_identity = 2, .seed = 9});
  ASSERT_EQ(batches.size(), 4u);
  std::set<int64_t> seen;
  for (const auto& batch : batches) seen.insert(batch.begin(), batch.end());
  EXPECT_EQ(seen.size(), 16u);
}

TEST(PkSampler, IsAFunctionOfSeedAndEpoch) {
  const std::vector<int64_t> labels = Labels({8, 8, 8, 8});
  const Options options{.batch_size = 8, .photos_per_identity = 4, .seed = 1};
  EXPECT_EQ(Draw("pk", labels, options, 3), Draw("pk", labels, options, 3));
  EXPECT_NE(Draw("pk", labels, options, 3), Draw("pk", labels, options, 4));
}

TEST(PkSampler, CountsOnlyIdentitiesThatHavePhotographs) {
  // Labels 0 and 9: two identities, not ten.
  EXPECT_THROW(Draw("pk", {0, 9, 0, 9, 0, 9}, {.batch_size = 6, .photos_per_identity = 2}), Error);
  EXPECT_EQ(Draw("pk", {0, 9, 0, 9, 0, 9}, {.batch_size = 4, .photos_per_identity = 2}).size(), 1u);
}

std::string ErrorOf(const std::vector<int64_t>& labels, const Options& options) {
  try {
    Draw("pk", labels, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
    return error.what();
  }
  return "no error";
}

TEST(PkSampler, SaysWhatDoesNotFit) {
  EXPECT_THAT(ErrorOf(Labels({9, 9}), {.batch_size = 10, .photos_per_identity = 4}),
              HasSubstr("batch_size 10 is not a multiple of photos_per_identity 4"));
  EXPECT_THAT(ErrorOf(Labels({9, 9}), {.batch_size = 12, .photos_per_identity = 4}),
              HasSubstr("a batch of 12 needs 3 identities, found 2"));
}

}  // namespace
}  // namespace fluke::train
