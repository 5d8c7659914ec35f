// What a user picks by name, and joining what was made so.
#include <gtest/gtest.h>

#include "index/factory.h"
#include "index/merge.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using namespace fluke::testing;  // NOLINT: the fixtures of this room

constexpr int64_t kDimension = 36;
constexpr int64_t kItems = 12'000;

TEST(IndexPresets, AreExactForFewItems) {
  for (const IndexPreset& preset : IndexPresets()) {
    EXPECT_EQ(FactoryOfPreset(preset.name, 512, 500), "Flat") << preset.name;
  }
}

TEST(IndexPresets, FindWhatTheyAreTunedForInMoreItems) {
  const TestFolder folder;
  const auto vectors = ClusteredVectors(kItems, kDimension, 200, 1);
  auto queries = RandomVectors(50, kDimension, 3);
  for (size_t i = 0; i < queries.size(); ++i) {
    const size_t row = i / kDimension * 239;
    queries[i] = vectors[row * kDimension + i % kDimension] + 0.3f * queries[i];
  }
  for (const IndexPreset& preset : IndexPresets()) {
    const auto index = MakeIndex(folder.path() / preset.name,
                                 {.factory = FactoryOfPreset(preset.name, kDimension, kItems),
                                  .dimension = kDimension,
                                  .target_recall = 0.9},
                                 vectors);
    // Tuned on rows of the index: other queries find a little less or more.
    EXPECT_GE(Recall(*index, Similarity::kCosine, queries, vectors, {.k = 20}),
              preset.name == "exact" ? 1 : 0.85)
        << preset.name << ": " << index->Describe().factory;
  }
}

TEST(MergeIndexes, KeepsKindAndTuningOfTheFirst) {
  const TestFolder folder;
  const auto at = [&](const char* name) { return folder.path() / name; };
  MakeIndex(at("a"), {.factory = "IVF4,Flat", .dimension = 8, .target_recall = 0.97},
            RandomVectors(300, 8, 1));
  {
    const auto writer = CreateIndex(at("b"), {.factory = "Flat", .dimension = 8});
    writer->Add(NumberedItems(50, 300), RandomVectors(50, 8, 2));
    writer->Commit();
  }
  EXPECT_EQ(MergeIndexes({at("a"), at("b")}, at("both"), false), 350);
  const IndexInfo info = OpenIndex(at("both"))->Describe();
  EXPECT_EQ(info.factory, "IVF4,Flat");
  EXPECT_EQ(info.target_recall, 0.97);
  EXPECT_EQ(info.size, 350);
  ExpectError(absl::StatusCode::kAlreadyExists, {"both"},
              [&] { MergeIndexes({at("a")}, at("both"), false); });
  // Nothing of a join that fails is left in the place of what was there.
  ExpectError(absl::StatusCode::kInvalidArgument, {IdOf(0), "a", "both"}, [&] {
    MergeIndexes({at("a"), at("both")}, at("both"), true);
  });
  EXPECT_EQ(OpenIndex(at("both"))->Describe().size, 350);
  MakeIndex(at("other"), {.dimension = 9}, RandomVectors(5, 9, 1));
  ExpectError(absl::StatusCode::kInvalidArgument, {"8 dimensions", "9 dimensions"}, [&] {
    MergeIndexes({at("a"), at("other")}, at("c"), false);
  });
}

}  // namespace
}  // namespace fluke
