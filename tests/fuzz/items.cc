// items.csv: the item table of an index reads what ReadItems reads, and both write it again.
#include "common/item.h"

#include "index/item_table.h"
#include "tests/fuzz/fuzz.h"

namespace fluke::fuzz {

std::vector<std::string> Seeds() {
  return {ItemsToCsv({{.id = "a", .identity = "w1", .path = "a.jpg", .metadata = {{"camera", "x"}}},
                      {.id = "b", .identity = "", .path = "b", .metadata = {{"year", "2019"}}}}),
          "id\nx\ny\n", "path,id\n\"q\"\"\n\",1\n", "id,identity,path,,\nx,,,1,2\n"};
}

}  // namespace fluke::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fluke;  // NOLINT: a harness
  const std::string_view text = fuzz::Text(data, size);
  std::vector<Item> items;
  const bool taken = fuzz::Takes([&] { items = ReadItems(fuzz::FileOf(text, "items.csv")); });
  bool table_taken = false;
  fuzz::Takes([&] {
    const ItemTable table = ReadItemTable(text, "input");
    table_taken = true;
    fuzz::Require(taken, "both refuse it");
    fuzz::Require(table.rows() == static_cast<int64_t>(items.size()), "as many items");
    for (int64_t row = 0; row < table.rows(); ++row) {
      const Item &item = items[static_cast<size_t>(row)], other = table.item(row);
      fuzz::Require(item.id == other.id && item.identity == other.identity &&
                        item.path == other.path && item.metadata == other.metadata,
                    "the same items");
      fuzz::Require(table.FindId(item.id) == row, "found by id");
    }
  });
  fuzz::Require(taken == table_taken, "both take it");
  if (!taken) return 0;
  const std::vector<Item> again = ReadItems(fuzz::FileOf(ItemsToCsv(items), "items.csv"));
  fuzz::Require(again.size() == items.size(), "as many items when written again");
  return 0;
}
