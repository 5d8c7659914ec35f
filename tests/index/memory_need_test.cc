#include "index/memory_need.h"

#include <gtest/gtest.h>

#include "index/item_table.h"
#include "index/layout.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using namespace fluke::testing;  // NOLINT: the fixtures of this room

TEST(PredictMemory, CountsWhatFaissHoldsApartFromWhatIsMapped) {
  const SnapshotManifest manifest = {.size = 1000,
                                     .files = {{layout::kVectorsFile, {.bytes = 500'000}},
                                               {layout::kCodesFile, {.bytes = 70'000}},
                                               {layout::kFaissFile, {.bytes = 40'000}},
                                               {layout::kItemsFile, {.bytes = 30'000}}}};
  const MemoryNeed need = PredictMemory(manifest);
  EXPECT_EQ(need.faiss_bytes, 40'000u);
  EXPECT_EQ(need.mapped_bytes, 570'000u);
  EXPECT_GE(need.items_bytes, 30'000u);
  EXPECT_EQ(need.held_bytes(), need.items_bytes + 40'000u);
}

// Is the estimate above what the table says of itself, and not far above?
TEST(PredictMemory, IsEnoughForItemsOfAnyShape) {
  constexpr int64_t kCount = 50'000;
  std::vector<std::vector<Item>> shapes(3);
  for (int64_t i = 0; i < kCount; ++i) {
    shapes[0].push_back(ItemCalled(StrCat(i)));
    shapes[1].push_back({.id = IdOf(i),
                         .identity = StrCat("whale", i / 5),
                         .path = StrCat("photos/", i, ".jpg"),
                         .metadata = {{"camera", StrCat("c", i % 3)}, {"taken", StrCat(i * 61)}}});
    shapes[2].push_back({.id = StrCat("some/long/path/to/", i, ".jpg"),
                         .identity = StrCat(i),
                         .path = StrCat("some/long/path/to/", i, ".jpg"),
                         .metadata = {}});
  }
  for (const std::vector<Item>& items : shapes) {
    const SnapshotManifest manifest = {
        .size = kCount, .files = {{layout::kItemsFile, {.bytes = ItemsToCsv(items).size()}}}};
    const uint64_t actual = ItemTable(items).memory_bytes();
    EXPECT_GE(PredictMemory(manifest).items_bytes, actual);
    EXPECT_LE(PredictMemory(manifest).items_bytes, 4 * actual);
  }
}

TEST(OpenIndex, RefusesWhatDoesNotFitIntoMemoryNamingNeedAndRoom) {
  TestFolder folder;
  const auto opened =
      MakeIndex(folder.path(), {.factory = "IVF4,Flat", .dimension = 8}, RandomVectors(500, 8, 1));
  const uint64_t need = opened->Describe().memory_bytes;
  EXPECT_GT(need, 500u * 8 * 4);  // IVF,Flat holds the vectors
  ExpectError(absl::StatusCode::kResourceExhausted,
              {layout::SnapshotFolder(folder.path(), 1).string(), StrCat(need), StrCat(need - 1)},
              [&] { OpenIndex(folder.path(), {.available_bytes = need - 1}); });
  EXPECT_EQ(OpenIndex(folder.path(), {.available_bytes = need})->Describe().size, 500);
}

// An older snapshot that happens to fit is not what was asked for.
TEST(OpenIndex, DoesNotFallBackToASmallerSnapshotForWantOfMemory) {
  TestFolder folder;
  const auto writer = CreateIndex(folder.path(), {.dimension = 4});
  writer->Add(NumberedItems(10), RandomVectors(10, 4, 1));
  writer->Commit();
  const uint64_t before = OpenIndex(folder.path())->Describe().memory_bytes;
  writer->Add(NumberedItems(500, 10), RandomVectors(500, 4, 2));
  writer->Commit();
  ExpectError(absl::StatusCode::kResourceExhausted, {"000002"},
              [&] { OpenIndex(folder.path(), {.available_bytes = before}); });
}

}  // namespace
}  // namespace fluke
