#include "common/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/random.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using testing::HasSubstr;

const Item kPhoto = {.id = "a1",
                     .identity = "Ann",
                     .path = "north/a1.jpg",
                     .metadata = {{"camera", "north"},
                                  {"year", "2019"},
                                  {"quality", "0.75"},
                                  {"taken", "2019-07-03T10:00:00"},
                                  {"notes", ""},
                                  {"Camera", "upper"},
                                  {"with space", "x"},
                                  {"and", "y"},
                                  {"gr\xC3\xB6\xC3\x9F"
                                   "e",
                                   "12"}}};

bool Holds(std::string_view filter, const Item& item = kPhoto) {
  return Matches(ParseFilter(filter), item);
}

bool HoldsFor(std::string_view value, std::string_view filter) {
  return Holds(
      filter, {.id = "a", .identity = "", .path = "", .metadata = {{"value", std::string(value)}}});
}

TEST(Filter, ComparesTextsByteByByte) {
  EXPECT_TRUE(Holds("camera = \"north\""));
  EXPECT_FALSE(Holds("camera = \"North\""));
  EXPECT_FALSE(Holds("camera = \"nort\""));
  EXPECT_TRUE(Holds("camera != \"south\""));
  EXPECT_TRUE(Holds("camera < \"nortx\""));
  EXPECT_TRUE(Holds("camera > \"nort\""));
  EXPECT_TRUE(Holds("camera <= \"north\" and camera >= \"north\""));
  EXPECT_FALSE(Holds("camera < \"north\" or camera > \"north\""));
  EXPECT_TRUE(Holds("taken >= \"2019-07\" and taken < \"2019-08\""));
  EXPECT_TRUE(HoldsFor("\xC3\xA9", "value > \"z\""));  // bytes are unsigned: 0xC3 > 0x7A
  EXPECT_TRUE(HoldsFor("100", "value < \"99\""));      // '1' < '9'
}

TEST(Filter, ComparesNumbersWithWhatTheTextIsAsANumber) {
  EXPECT_TRUE(Holds("year = 2019 and year = 2019.0 and year = +2.019e3"));
  EXPECT_TRUE(Holds("year > 2018 and year >= 2019 and year < 2019.5 and year <= 2019"));
  EXPECT_FALSE(Holds("year > 2019 or year < 2019 or year = -2019"));
  EXPECT_TRUE(Holds("quality >= .75"));
  EXPECT_TRUE(HoldsFor("100", "value > 99"));
  EXPECT_TRUE(HoldsFor("007", "value = 7"));
  EXPECT_FALSE(HoldsFor("007", "value = \"7\""));
  EXPECT_TRUE(HoldsFor("1e3", "value = 1000"));
  EXPECT_TRUE(HoldsFor("-0", "value = 0"));
}

TEST(Filter, ATextThatIsNoNumberFailsEveryComparisonWithOneButUnequal) {
  for (const char* text : {"north", " 5", "5 ", "0x10", "nan", "inf", "-inf", "1e999", "1,5", ""}) {
    for (const char* relation : {"=", "<", "<=", ">", ">="}) {
      EXPECT_FALSE(HoldsFor(text, StrCat("value ", relation, " 5"))) << text;
    }
    EXPECT_TRUE(HoldsFor(text, "value != 5")) << text;
    EXPECT_FALSE(HoldsFor(text, "value in (5, 16, 0)")) << text;
  }
}

TEST(Filter, AFieldThatIsEmptyOrMissingFailsEveryComparisonButUnequal) {
  for (const char* field : {"notes", "nothing"}) {
    for (const char* relation : {"=", "<", "<=", ">", ">="}) {
      EXPECT_FALSE(Holds(StrCat(field, " ", relation, " \"\"")));
      EXPECT_FALSE(Holds(StrCat(field, " ", relation, " \"x\"")));
    }
    EXPECT_TRUE(Holds(StrCat(field, " != \"\" and ", field, " != 3")));
    EXPECT_FALSE(Holds(StrCat(field, " in (\"\")")));
    EXPECT_FALSE(Holds(StrCat("exists(", field, ")")));
    EXPECT_TRUE(Holds(StrCat("not exists(", field, ")")));
  }
  EXPECT_TRUE(Holds("exists(camera) and exists(id)"));
}

TEST(Filter, InHoldsForAnyOfItsValues) {
  EXPECT_TRUE(Holds("camera in (\"south\", 'north')"));
  EXPECT_FALSE(Holds("camera in (\"south\", \"east\")"));
  EXPECT_TRUE(Holds("year in (2018, 2019)"));
  EXPECT_TRUE(Holds("year in (\"x\", 2019)"));
  EXPECT_TRUE(Holds("year in (2018, \"2019\")"));
  EXPECT_FALSE(Holds("year in ()"));
}

TEST(Filter, KnowsTheItemsOwnFieldsAndMetadataByExactName) {
  EXPECT_TRUE(Holds("id = \"a1\" and identity = \"Ann\" and path = \"north/a1.jpg\""));
  EXPECT_TRUE(Holds("Camera = \"upper\""));
  EXPECT_TRUE(Holds("`with space` = \"x\" and `and` = \"y\""));
  EXPECT_TRUE(
      Holds("gr\xC3\xB6\xC3\x9F"
            "e = 12"));
}

TEST(Filter, AndBindsTighterThanOrAndNotTighterThanBoth) {
  // true or (true and false)
  EXPECT_TRUE(Holds("year = 2019 or year = 2019 and year = 1"));
  EXPECT_FALSE(Holds("(year = 2019 or year = 2019) and year = 1"));
  // (not false) or true, (not true) and false
  EXPECT_TRUE(Holds("not year = 1 or year = 2019"));
  EXPECT_FALSE(Holds("not year = 2019 and year = 1"));
  EXPECT_TRUE(Holds("not (year = 2019 and year = 1)"));
  EXPECT_TRUE(Holds("not not year = 2019"));
  EXPECT_TRUE(Holds("year = 1 or year = 2 or year = 2019"));
}

TEST(Filter, IsReadIntoATree) {
  const Filter filter = ParseFilter("a = 1 and (b in (\"x\", 2) or exists(c)) and d != 'y'");
  ASSERT_EQ(filter.kind, Filter::Kind::kAnd);
  ASSERT_EQ(filter.children.size(), 3u);
  EXPECT_EQ(filter.children[0].kind, Filter::Kind::kEqual);
  EXPECT_EQ(filter.children[0].field, "a");
  EXPECT_EQ(std::get<double>(filter.children[0].values[0]), 1);
  ASSERT_EQ(filter.children[1].kind, Filter::Kind::kOr);
  const Filter& in = filter.children[1].children[0];
  EXPECT_EQ(in.kind, Filter::Kind::kIn);
  ASSERT_EQ(in.values.size(), 2u);
  EXPECT_EQ(std::get<std::string>(in.values[0]), "x");
  EXPECT_EQ(filter.children[1].children[1].kind, Filter::Kind::kExists);
  ASSERT_EQ(filter.children[2].kind, Filter::Kind::kNot);
  EXPECT_EQ(filter.children[2].children[0].kind, Filter::Kind::kEqual);
}

TEST(Filter, KeywordsAreOfAnyCaseAndSpacesAreFree) {
  EXPECT_TRUE(Holds("NOT year=1 And camera In(\"north\")OR EXISTS ( nothing )"));
  EXPECT_TRUE(Holds("\n year\t=\r\n2019 "));
}

TEST(Filter, TextsStandInEitherQuoteWithBackslashEscapes) {
  EXPECT_TRUE(HoldsFor("it's", R"(value = "it's")"));
  EXPECT_TRUE(HoldsFor("it's", R"(value = 'it\'s')"));
  EXPECT_TRUE(HoldsFor("say \"a\\b\"", R"(value = "say \"a\\b\"")"));
  EXPECT_TRUE(HoldsFor("two\nlines\tand\r", R"(value = "two\nlines\tand\r")"));
  const Item odd = {.id = "a", .identity = "", .path = "", .metadata = {{"a`b\\c", "x"}}};
  EXPECT_TRUE(Holds(R"(`a\`b\\c` = "x")", odd));
}

TEST(Filter, ErrorsNameThePlaceTheExpectedAndTheFound) {
  const auto message = [](std::string_view text) {
    const Error error = ErrorOf([&] { ParseFilter(text); });
    EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
    return std::string(error.what());
  };
  EXPECT_EQ(message(""),
            "filter, column 1: expected a field, 'not', 'exists' or '(', found the end");
  EXPECT_EQ(message("camera"),
            "filter, column 7: expected =, !=, <, <=, >, >= or 'in', found the end");
  EXPECT_EQ(message("camera = north"),
            "filter, column 10: expected a number or a text in quotes, found 'north'");
  EXPECT_EQ(message("camera == \"north\""),
            "filter, column 9: expected a number or a text in quotes, found '='");
  EXPECT_EQ(message("year = 2019 year = 2020"),
            "filter, column 13: expected 'and', 'or' or the end, found 'year'");
  EXPECT_EQ(message("(year = 2019"),
            "filter, column 13: expected 'and', 'or' or ')', found the end");
  EXPECT_EQ(message("year = 2019)"),
            "filter, column 12: expected 'and', 'or' or the end, found ')'");
  EXPECT_EQ(message("year in 2019"), "filter, column 9: expected '(' behind 'in', found '2019'");
  EXPECT_EQ(message("year in (1 2)"), "filter, column 12: expected ',' or ')', found '2'");
  EXPECT_EQ(message("year in (1,)"),
            "filter, column 12: expected a number or a text in quotes, found ')'");
  EXPECT_EQ(message("exists year"), "filter, column 8: expected '(' behind 'exists', found 'year'");
  EXPECT_EQ(message("exists(\"year\")"), "filter, column 8: expected a field, found '\"year\"'");
  EXPECT_EQ(message("in = 1"),
            "filter, column 1: expected a field, 'not', 'exists' or '(', found 'in'");
  EXPECT_EQ(message("year = 12abc"),
            "filter, column 8: expected a number that a double holds, found '12abc'");
  EXPECT_EQ(message("year = 1e999"),
            "filter, column 8: expected a number that a double holds, found '1e999'");
  EXPECT_EQ(message("year = nan"),
            "filter, column 8: expected a number or a text in quotes, found 'nan'");
  EXPECT_EQ(message("a = \"north"), "filter, column 11: expected a closing \", found the end");
  EXPECT_EQ(message(R"(a = "n\orth")"),
            R"(filter, column 8: expected \\, a quote, n, r or t behind \, found 'o')");
  EXPECT_EQ(message("a = 1 & b = 2"),
            "filter, column 7: expected 'and', 'or' or the end, found '&'");
  EXPECT_EQ(message("a ! b"), "filter, column 3: expected =, !=, <, <=, >, >= or 'in', found '!'");
}

TEST(Filter, ErrorsCountCharactersNotBytesAndShortenWhatTheyFound) {
  EXPECT_THAT(ErrorOf([] { ParseFilter("gr\xC3\xB6\xC3\x9F! = 1"); }).what(),
              HasSubstr("column 5:"));
  const std::string long_word(1000, 'x');
  const std::string message = ErrorOf([&] { ParseFilter("a = " + long_word); }).what();
  EXPECT_THAT(message, HasSubstr("found 'xxxx"));
  EXPECT_LT(message.size(), 150u);
}

TEST(Filter, NestingLengthAndConditionsAreLimited) {
  const auto repeated = [](std::string_view text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
  };
  EXPECT_TRUE(Holds(repeated("(", 64) + "year = 2019" + repeated(")", 64)));
  EXPECT_TRUE(Holds(repeated("not ", 64) + "year = 2019"));
  EXPECT_THAT(ErrorOf([&] { ParseFilter(repeated("(", 65) + "a = 1" + repeated(")", 65)); }).what(),
              HasSubstr("column 65: expected at most 64 levels of nesting, found more"));
  EXPECT_THAT(ErrorOf([&] { ParseFilter(repeated("not ", 65) + "a = 1"); }).what(),
              HasSubstr("column 257: expected at most 64 levels of nesting"));
  // Beside one another there may be more.
  EXPECT_TRUE(Holds(repeated("(year = 2019) and ", 100) + "(year = 2019)"));

  EXPECT_TRUE(Holds(repeated("year = 1 or ", 255) + "year = 2019"));
  EXPECT_THAT(ErrorOf([&] { ParseFilter(repeated("year = 1 or ", 256) + "year = 2019"); }).what(),
              HasSubstr("column 3073: expected at most 256 conditions, found more"));

  EXPECT_TRUE(Holds("year = 2019" + std::string(65525, ' ')));
  EXPECT_EQ(
      std::string(ErrorOf([&] { ParseFilter("year = 2019" + std::string(65526, ' ')); }).what()),
      "filter of 65537 bytes, expected at most 65536");
  for (const char* text : {"(", "not ", "a in (", "exists(", "`", "\"", "\\", "a = 1 and "}) {
    EXPECT_EQ(ErrorOf([&] { ParseFilter(repeated(text, 5000)); }).code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(Filter, RandomTextsAndDamagedFiltersNeverCrash) {
  const auto parse = [](std::string_view text) {
    try {
      Holds(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
    }
  };
  const std::string valid =
      R"(camera = "no\"rth" and year >= -2.5e+3 or not (`q y` in ("b", 'c', 7)) and exists(t))";
  ParseFilter(valid);
  for (size_t size = 0; size <= valid.size(); ++size) parse(valid.substr(0, size));
  Random random(RandomKey({5}));
  for (int i = 0; i < 20000; ++i) {
    std::string damaged = valid;
    for (uint64_t flips = 1 + random.Below(4); flips > 0; --flips) {
      damaged[random.Below(damaged.size())] = static_cast<char>(random.Below(256));
    }
    parse(damaged);
  }
  const std::vector<std::string_view> words = {
      "and",   "or",  "not", "in", "exists", "(",     ")",   ",",        "=",    "!=",
      "<",     "<=",  ">",   ">=", "a",      "`b c`", "1",   "-",        "+",    ".",
      "\"x\"", "'y'", "`",   "\"", "'",      "\\",    "1e5", "\xC3\xB6", "\xFF", "\n"};
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (uint64_t left = random.Below(12); left > 0; --left) {
      text += words[random.Below(words.size())];
      if (random.Chance(0.8)) text += ' ';
    }
    parse(text);
  }
}

TEST(NumberIn, TakesWholeDecimalTextsThatADoubleHolds) {
  EXPECT_EQ(NumberIn("12"), 12.0);
  EXPECT_EQ(NumberIn("-12.5"), -12.5);
  EXPECT_EQ(NumberIn("+12"), 12.0);
  EXPECT_EQ(NumberIn(".5"), 0.5);
  EXPECT_EQ(NumberIn("5."), 5.0);
  EXPECT_EQ(NumberIn("007"), 7.0);
  EXPECT_EQ(NumberIn("1e3"), 1000.0);
  EXPECT_EQ(NumberIn("1E-2"), 0.01);
  EXPECT_EQ(NumberIn("9007199254740993"), 9007199254740992.0);  // 2^53 + 1 to even
  EXPECT_EQ(NumberIn("1.7976931348623157e308"), std::numeric_limits<double>::max());
}

TEST(NumberIn, RefusesEverythingElse) {
  for (const char* text :
       {"",    " 5",   "5 ",        "1 2",   "0x10",   "1e",     "e5",    "+",    "-",
        ".",   "+-5",  "--5",       "1_0",   "1,5",    "nan",    "NaN",   "-nan", "nan(1)",
        "inf", "+inf", "-Infinity", "1e999", "-1e999", "1e-999", "12abc", "five"}) {
    EXPECT_FALSE(NumberIn(text).has_value()) << text;
  }
  EXPECT_FALSE(NumberIn(std::string_view("5\0", 2)).has_value());
}

}  // namespace
}  // namespace fluke
