// CSV: what is taken is written again as the same table.
#include "common/csv.h"

#include "tests/fuzz/fuzz.h"

namespace fluke::fuzz {

std::vector<std::string> Seeds() {
  return {"a,b,c\n1,2,3\n",
          "\xEF\xBB\xBFpath,identity\r\n\"x, \"\"y\"\".jpg\",whale\r\n\r\nz.jpg,\r\n",
          "a\rone\rtwo", "a,,\n\"multi\nline\",,\n", ""};
}

}  // namespace fluke::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fluke;  // NOLINT: a harness
  const std::string_view text = fuzz::Text(data, size);
  CsvTable table;
  if (!fuzz::Takes([&] { table = ParseCsv(text, "input"); })) {
    std::vector<CsvRow> ragged;
    fuzz::Takes([&] { ParseCsv(text, "input", &ragged); });
    return 0;
  }
  // Its mark keeps odd bytes in front from being taken for another encoding.
  std::string written = "\xEF\xBB\xBF" + CsvLine(table.header);
  for (const CsvRow& row : table.rows) written += CsvLine(row.fields);
  const CsvTable again = ParseCsv(written, "written");
  fuzz::Require(again.header == table.header && again.rows.size() == table.rows.size(),
                "the same header and number of rows");
  for (size_t i = 0; i < table.rows.size(); ++i) {
    fuzz::Require(again.rows[i].fields == table.rows[i].fields, "the same fields");
  }
  return 0;
}
