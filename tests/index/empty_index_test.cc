// Indexes that begin empty and are filled by changes.
#include "index/empty_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "index/live_index.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using namespace fluke::testing;  // NOLINT: the fixtures of this room
using ::testing::HasSubstr;

constexpr int64_t kDimension = 8;

// The only row that scores 1 with its own vector.
void ExpectFindsEach(const VectorIndex& index, const std::vector<float>& vectors, int64_t count) {
  ASSERT_EQ(index.Describe().size, count);
  for (int64_t i = 0; i < count; ++i) {
    const auto query = std::span(vectors).subspan(static_cast<size_t>(i * kDimension), kDimension);
    const auto found = index.Search(query, {.k = 1});
    ASSERT_EQ(found.front().size(), 1u);
    EXPECT_EQ(index.item(found.front().front().row).id, IdOf(i));
  }
}

class EmptyIndex : public ::testing::TestWithParam<const char*> {};

TEST_P(EmptyIndex, TakesChangesFoldsThemAndIsThereAgain) {
  const TestFolder folder;
  const auto path = folder.path() / "index";
  CreateEmptyIndex(path, {.factory = GetParam(), .dimension = kDimension});
  EXPECT_EQ(OpenIndex(path)->Describe().size, 0);
  const int64_t count = 40;
  const auto vectors = RandomVectors(count, kDimension, 5);
  {
    const auto live = OpenLiveIndex(path, {.compact_after_rows = -1});
    EXPECT_TRUE(live->Current()->Search(std::span(vectors).first(kDimension), {.k = 3})[0].empty());
    live->Upsert(NumberedItems(count), vectors);
    ExpectFindsEach(*live->Current(), vectors, count);
    live->Compact();
    ExpectFindsEach(*live->Current(), vectors, count);
  }
  ExpectFindsEach(*OpenIndex(path), vectors, count);
}

INSTANTIATE_TEST_SUITE_P(OfAType, EmptyIndex,
                         ::testing::Values("", "exact", "fast", "Flat", "IVF,Codes", "HNSW16"));

TEST(EmptyIndexTypes, ThatLearnFromVectorsAreRefusedNamingWhatCanBeMade) {
  for (const char* type : {"compact", "tiny", "IVF16,Flat", "IVF64,PQ4x4fs,RFlat", "SQ8"}) {
    try {
      FactoryOfEmpty(type, kDimension, "cosine");
      ADD_FAILURE() << type << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(error.what(), HasSubstr(type));
      EXPECT_THAT(error.what(), HasSubstr("Flat"));
    }
  }
  EXPECT_THROW(FactoryOfEmpty("no such thing", kDimension, "cosine"), Error);
  EXPECT_THROW(FactoryOfEmpty("HNSW16", kDimension, "manhattan"), Error);
}

TEST(EmptyIndexTypes, OfManyItemsAreMeantByPresets) {
  EXPECT_EQ(FactoryOfEmpty("fast", 64, "cosine"), "IVF,Codes");
  EXPECT_EQ(FactoryOfEmpty("exact", 64, "ip"), "Flat");
  EXPECT_EQ(FactoryOfEmpty("", 64, "l2"), "Flat");
}

}  // namespace
}  // namespace fluke
