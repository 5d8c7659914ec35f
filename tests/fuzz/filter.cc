// Filters: a table of items agrees with the definition about every item.
#include "common/filter.h"

#include "index/item_table.h"
#include "tests/fuzz/fuzz.h"

namespace fluke::fuzz {

std::vector<std::string> Seeds() {
  return {"camera = \"north\" and year >= 2019 and not (quality in (\"bad\", 'blurred'))",
          "exists(timestamp) or `odd name` != 3", "id = \"a\" or identity in (\"w\", \"\")",
          "year < -1.5e3 AND (path > \"b\\n\")", "not not year in ()"};
}

const std::vector<Item>& Items() {
  static const auto* items = new std::vector<Item>{
      {.id = "a",
       .identity = "w",
       .path = "a.jpg",
       .metadata = {{"camera", "north"}, {"year", "2019"}}},
      {.id = "b", .identity = "", .path = "b", .metadata = {{"year", "nan"}, {"odd name", "3"}}},
      {.id = "c", .identity = "v", .path = "", .metadata = {{"quality", "bad"}, {"year", "-2e3"}}}};
  return *items;
}

}  // namespace fluke::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fluke;  // NOLINT: a harness
  static const auto* table = new ItemTable(fuzz::Items());
  Filter filter;
  if (!fuzz::Takes([&] { filter = ParseFilter(fuzz::Text(data, size)); })) return 0;
  const RowSet rows = table->Matching(filter);
  for (int64_t row = 0; row < table->rows(); ++row) {
    fuzz::Require(rows.Contains(row) == Matches(filter, fuzz::Items()[static_cast<size_t>(row)]),
                  "the table agrees");
  }
  return 0;
}
