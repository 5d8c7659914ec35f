#include "common/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files.h"
#include "common/random.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Csv, ReadsPlainFields) {
  const CsvTable table = ParseCsv("path,identity\na.jpg,Ann\nb.jpg,\n", "photos.csv");
  EXPECT_THAT(table.header, ElementsAre("path", "identity"));
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_THAT(table.rows[0].fields, ElementsAre("a.jpg", "Ann"));
  EXPECT_THAT(table.rows[1].fields, ElementsAre("b.jpg", ""));
  EXPECT_EQ(table.Column("identity"), 1);
  EXPECT_EQ(table.Column("Identity"), -1);
}

// The examples of RFC 4180 section 2, rules 5 to 7.
TEST(Csv, ReadsTheQuotedFieldsOfRfc4180) {
  EXPECT_THAT(ParseCsv("\"aaa\",\"bbb\",\"ccc\"\r\nzzz,yyy,xxx", "x").header,
              ElementsAre("aaa", "bbb", "ccc"));
  EXPECT_THAT(ParseCsv("\"aaa\",\"b\r\nbb\",\"ccc\"\r\nzzz,yyy,xxx", "x").header,
              ElementsAre("aaa", "b\r\nbb", "ccc"));
  EXPECT_THAT(ParseCsv("\"aaa\",\"b\"\"bb\",\"ccc\"", "x").header,
              ElementsAre("aaa", "b\"bb", "ccc"));
}

TEST(Csv, RowsKnowTheirLineAcrossQuotedNewlinesAndBlankLines) {
  const CsvTable table = ParseCsv("a,b\n\"1\n2\",x\n\n\r\n3,y\r\n", "x");
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[0].line, 2);
  EXPECT_EQ(table.rows[1].line, 6);
}

TEST(Csv, TakesByteOrderMarkCrLfLoneCrAndMissingLastNewline) {
  EXPECT_THAT(ParseCsv("\xEF\xBB\xBFpath\r\nx", "x").header, ElementsAre("path"));
  const CsvTable table = ParseCsv("a,b\r1,2\r3,4", "x");
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_THAT(table.rows[1].fields, ElementsAre("3", "4"));
  EXPECT_EQ(table.rows[1].line, 3);
}

TEST(Csv, AQuoteInsideAPlainFieldIsAQuote) {
  EXPECT_THAT(ParseCsv("a\n5\" nail\n", "x").rows[0].fields, ElementsAre("5\" nail"));
}

TEST(Csv, ErrorsNameFileAndLine) {
  const auto message = [](std::string_view text) {
    const Error error = ErrorOf([&] { ParseCsv(text, "photos.csv"); });
    EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
    return std::string(error.what());
  };
  EXPECT_EQ(message("a,b,c\n1,2,3\n1,2,3,4\n"),
            "photos.csv:3: 4 fields, expected 3 as in the header");
  EXPECT_EQ(message("a,b\n1\n"), "photos.csv:2: 1 fields, expected 2 as in the header");
  EXPECT_EQ(message("a\n\"b\nc\n"), "photos.csv:2: a quoted field is never closed");
  EXPECT_THAT(message("a\n\"b\"c\n"), HasSubstr("photos.csv:2: expected a comma"));
  EXPECT_EQ(message("path,x,path\n"), "photos.csv:1: column 'path' appears twice");
  EXPECT_EQ(message(""), "photos.csv: empty; expected a header line");
  EXPECT_EQ(message("\n\n"), "photos.csv: empty; expected a header line");
  EXPECT_THAT(message("\xFF\xFEp\0a\0"), HasSubstr("UTF-16"));
  EXPECT_THAT(message(std::string_view("a\n\0\n", 4)), HasSubstr("zero byte"));
}

TEST(Csv, WritesWhatItReads) {
  const std::vector<std::vector<std::string>> rows = {{"plain", "with,comma", "with \"quotes\""},
                                                      {"two\nlines", "cr\rhere", ""},
                                                      {" spaces ", "\xC3\xA9t\xC3\xA9", "'"}};
  std::string text;
  for (const auto& row : rows) text += CsvLine(row);
  const CsvTable table = ParseCsv(text, "x");
  EXPECT_EQ(table.header, rows[0]);
  EXPECT_EQ(table.rows[0].fields, rows[1]);
  EXPECT_EQ(table.rows[1].fields, rows[2]);
  EXPECT_EQ(CsvLine({"a", "b,c", "d\"e"}), "a,\"b,c\",\"d\"\"e\"\n");
  EXPECT_EQ(CsvLine({""}), "\"\"\n");  // an empty line would be skipped
}

TEST(Csv, ReadCsvNamesTheMissingFile) {
  const Error error = ErrorOf([] { ReadCsv("no/such.csv"); });
  EXPECT_EQ(error.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(error.what(), HasSubstr("no/such.csv"));
}

TEST(Csv, TruncatedOrFlippedTextNeverCrashes) {
  const std::string valid =
      "path,identity,\"x\ny\"\r\na.jpg,\"An\"\"n\",1\nb.jpg,\"Bob, the 2nd\",\"2\n3\"\n";
  const auto parse = [](std::string_view text) {
    try {
      ParseCsv(text, "x");
    } catch (const Error&) {
    }
  };
  for (size_t size = 0; size <= valid.size(); ++size)
    parse(std::string_view(valid).substr(0, size));
  Random random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string damaged = valid;
    for (uint64_t flips = 1 + random.Below(3); flips > 0; --flips) {
      damaged[random.Below(damaged.size())] = static_cast<char>(random.Below(256));
    }
    parse(damaged);
  }
}

}  // namespace
}  // namespace fluke
