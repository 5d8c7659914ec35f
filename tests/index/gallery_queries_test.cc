// Counting, listing and counting by value agree with a plain loop over all items, before and after
// changes.
#include <map>

#include <gtest/gtest.h>

#include "index/live_index.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using namespace fluke::testing;  // NOLINT: the fixtures of this room

constexpr int64_t kDimension = 3;

std::vector<Item> Items(const VectorIndex& index, const Filter* filter) {
  std::vector<Item> items;
  index.ForEachRow([&](int64_t row) {
    const Item item = index.item(row);
    if (filter == nullptr || Matches(*filter, item)) items.push_back(item);
  });
  return items;
}

std::vector<FacetValue> NaiveFacet(const VectorIndex& index, const std::string& field,
                                   const Filter* filter) {
  std::map<std::string, int64_t> counts;
  for (const Item& item : Items(index, filter)) {
    const auto metadata = item.metadata.find(field);
    const std::string value = field == "identity"               ? item.identity
                              : field == "path"                 ? item.path
                              : metadata == item.metadata.end() ? ""
                                                                : metadata->second;
    if (!value.empty()) ++counts[value];
  }
  std::vector<FacetValue> facet;
  for (const auto& [value, count] : counts) facet.push_back({.value = value, .count = count});
  std::stable_sort(facet.begin(), facet.end(),
                   [](const FacetValue& a, const FacetValue& b) { return a.count > b.count; });
  return facet;
}

void ExpectAgreement(const VectorIndex& index) {
  for (const std::string text : {"", "camera = \"c1\"", "not exists(identity)",
                                 "id > \"photo5\" or note = \"new\"", "camera = \"none\""}) {
    const Filter parsed = text.empty() ? Filter() : ParseFilter(text);
    const Filter* filter = text.empty() ? nullptr : &parsed;
    std::vector<std::string> ids;
    for (const Item& item : Items(index, filter)) ids.push_back(item.id);
    std::sort(ids.begin(), ids.end());
    EXPECT_EQ(index.Count(filter), static_cast<int64_t>(ids.size())) << text;
    for (const int64_t page : {1, 7, 1000}) {
      std::vector<std::string> listed;
      std::string after;
      for (;;) {
        const std::vector<int64_t> rows = index.NextById(filter, after, page);
        if (rows.empty()) break;
        EXPECT_LE(static_cast<int64_t>(rows.size()), page);
        for (const int64_t row : rows) listed.push_back(index.item(row).id);
        after = listed.back();
      }
      EXPECT_EQ(listed, ids) << text << ", pages of " << page;
    }
    for (const char* field : {"identity", "path", "camera", "note", "nothing"}) {
      EXPECT_EQ(index.Facet(field, filter), NaiveFacet(index, field, filter)) << text << field;
    }
  }
  EXPECT_TRUE(index.NextById(nullptr, "", 0).empty());
  ExpectError(absl::StatusCode::kInvalidArgument, {"id"}, [&] { index.Facet("id", nullptr); });
}

TEST(GalleryQueries, AgreeWithAPlainLoopBeforeAndAfterChanges) {
  const TestFolder folder;
  auto items = NumberedItems(120);
  for (size_t i = 0; i < items.size(); i += 5) items[i].identity.clear();
  {
    const auto writer = CreateIndex(folder.path(), {.metric = "l2", .dimension = kDimension});
    writer->Add(items, RandomVectors(120, kDimension, 1));
    writer->Commit();
  }
  const auto live = OpenLiveIndex(folder.path(), {.compact_after_rows = -1});
  ExpectAgreement(*live->Current());
  auto changed = NumberedItems(40, 100);
  for (size_t i = 0; i < changed.size(); i += 2) {
    changed[i].metadata["note"] = i % 4 == 0 ? "new" : "very new";
    changed[i].identity = "calf";
  }
  live->Upsert(changed, RandomVectors(40, kDimension, 2));
  live->Remove({IdOf(3), IdOf(105), IdOf(139)});
  ExpectAgreement(*live->Current());
  live->Compact();
  ExpectAgreement(*live->Current());
}

}  // namespace
}  // namespace fluke
