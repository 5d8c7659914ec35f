// The columns against the definition: what Matches (common/filter.h) says of each item.
#include "index/item_table.h"

#include <gtest/gtest.h>

#include <map>

#include "common/random.h"
#include "index/string_arena.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using namespace fluke::testing;  // NOLINT: the fixtures of this room

// Values where text and number part: both orders, signs, spaces, what only looks like a number.
const std::vector<std::string> kOddTexts = {
    "",    "0",    "-0",  "007",  "7",    "7.0", "1e3",  "1000", "1e999", "-1e999", "1e-999",
    "nan", "-nan", "inf", "-inf", "0x10", " 5",  "5 ",   "5",    "+5",    ".5",     "10",
    "9",   "99",   "a",   "A",    "b",    "ab",  "\xFF", "z",    "north", "\n",     "2019-07-03"};

std::string OddText(Random& random) { return kOddTexts[random.Below(kOddTexts.size())]; }

const std::vector<std::string> kFields = {"id",   "identity", "path",    "odd",
                                          "rare", "measured", "nothing", "few"};

std::vector<Item> RandomItems(Random& random, int64_t count) {
  std::vector<Item> items;
  const bool paths_are_ids = random.Chance(0.3);
  for (int64_t i = 0; i < count; ++i) {
    // Ids that are numbers, texts or both.
    Item item = ItemCalled(random.Chance(0.5) ? StrCat(i) : StrCat(i, "/", OddText(random)));
    item.path = paths_are_ids ? item.id : random.Chance(0.5) ? item.id + ".jpg" : OddText(random);
    if (random.Chance(0.8)) item.identity = OddText(random);
    if (random.Chance(0.7)) item.metadata["odd"] = OddText(random);
    if (random.Chance(0.05)) item.metadata["rare"] = OddText(random);
    if (random.Chance(0.9)) {
      item.metadata["measured"] =
          random.Chance(0.9) ? StrCat(random.Uniform(-2, 12)) : OddText(random);
    }
    item.metadata["few"] = random.Chance(0.5) ? "north" : "south";
    items.push_back(std::move(item));
  }
  return items;
}

// One that some field of the items has, or any odd one.
Filter::Value RandomValue(Random& random, const std::vector<Item>& items) {
  std::string text = OddText(random);
  if (!items.empty() && random.Chance(0.4)) {
    const Item& item = items[random.Below(items.size())];
    const auto measured = item.metadata.find("measured");
    text = random.Chance(0.5) || measured == item.metadata.end() ? item.id : measured->second;
  }
  if (random.Chance(0.5)) return text;
  if (const auto number = NumberIn(text)) return *number;
  const std::vector<double> odd = {0, -0.0, 7, 1e300, std::nan(""), INFINITY, -INFINITY};
  return odd[random.Below(odd.size())];
}

Filter RandomFilter(Random& random, const std::vector<Item>& items, int depth) {
  using Kind = Filter::Kind;
  Filter filter;
  if (depth > 0 && random.Chance(0.5)) {
    filter.kind = std::vector{Kind::kAnd, Kind::kOr, Kind::kNot}[random.Below(3)];
    const uint64_t children = filter.kind == Kind::kNot ? 1 : random.Below(4);
    for (uint64_t i = 0; i < children; ++i) {
      filter.children.push_back(RandomFilter(random, items, depth - 1));
    }
    return filter;
  }
  filter.kind = std::vector{Kind::kExists,  Kind::kEqual,        Kind::kLess, Kind::kLessEqual,
                            Kind::kGreater, Kind::kGreaterEqual, Kind::kIn}[random.Below(7)];
  filter.field = kFields[random.Below(kFields.size())];
  const uint64_t values = filter.kind == Kind::kExists ? 0
                          : filter.kind == Kind::kIn   ? random.Below(5)
                                                       : 1;
  for (uint64_t i = 0; i < values; ++i) filter.values.push_back(RandomValue(random, items));
  return filter;
}

void ExpectAgreement(const ItemTable& table, const std::vector<Item>& items, const Filter& filter) {
  const RowSet got = table.Matching(filter);
  ASSERT_EQ(got.rows(), static_cast<int64_t>(items.size()));
  int64_t count = 0;
  for (size_t row = 0; row < items.size(); ++row) {
    const bool matches = Matches(filter, items[row]);
    count += matches;
    ASSERT_EQ(got.Contains(static_cast<int64_t>(row)), matches)
        << "row " << row << ", condition on " << filter.field;
  }
  ASSERT_EQ(got.Count(), count);  // no bits beyond the end
}

void ExpectAgreement(const ItemTable& table, const std::vector<Item>& items,
                     std::string_view filter) {
  SCOPED_TRACE(std::string(filter));
  ExpectAgreement(table, items, ParseFilter(filter));
}

void ExpectSame(const Item& a, const Item& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.identity, b.identity);
  EXPECT_EQ(a.path, b.path);
  EXPECT_EQ(a.metadata, b.metadata);
}

TEST(ItemTable, GivesBackItsItemsWithoutTheEmptyMetadata) {
  Random random(RandomKey({21}));
  for (int round = 0; round < 50; ++round) {
    std::vector<Item> items = RandomItems(random, static_cast<int64_t>(random.Below(200)));
    const ItemTable table(items);
    ASSERT_EQ(table.rows(), static_cast<int64_t>(items.size()));
    for (int64_t row = 0; row < table.rows(); ++row) {
      Item& item = items[static_cast<size_t>(row)];
      std::erase_if(item.metadata, [](const auto& entry) { return entry.second.empty(); });
      ExpectSame(table.item(row), item);
      EXPECT_EQ(table.id(row), item.id);
    }
  }
}

TEST(ItemTable, MatchesJustTheItemsThatTheDefinitionMatches) {
  Random random(RandomKey({22}));
  for (int round = 0; round < 300; ++round) {
    const auto items = RandomItems(random, static_cast<int64_t>(random.Below(300)));
    const ItemTable table(items);
    for (int i = 0; i < 40; ++i) {
      ASSERT_NO_FATAL_FAILURE(ExpectAgreement(table, items, RandomFilter(random, items, 3)));
    }
  }
}

// Codes of 8, 16 and 32 bits, at the numbers of distinct values where they widen.
TEST(ItemTable, MatchesAlikeWhateverTheNumberOfDistinctValues) {
  for (const int64_t distinct : {1, 2, 255, 256, 257, 65535, 65536, 65537}) {
    std::vector<Item> items;
    for (int64_t i = 0; i < 2 * distinct + 3; ++i) {
      Item item = ItemCalled(StrCat("photo", i));
      if (i >= 3) {  // the first few have none
        item.metadata["number"] = StrCat(i % distinct);
        item.metadata["text"] = StrCat("v", i % distinct);
      }
      items.push_back(std::move(item));
    }
    const ItemTable table(items);
    for (const int64_t value : {int64_t{0}, distinct / 2, distinct - 1, distinct}) {
      for (const char* relation : {"=", "!=", "<", "<=", ">", ">="}) {
        ASSERT_NO_FATAL_FAILURE(
            ExpectAgreement(table, items, StrCat("number ", relation, " ", value)));
        ASSERT_NO_FATAL_FAILURE(
            ExpectAgreement(table, items, StrCat("text ", relation, " 'v", value, "'")));
      }
    }
    ASSERT_NO_FATAL_FAILURE(ExpectAgreement(table, items, "number in (0, 17, \"254\", 70000)"));
    ASSERT_NO_FATAL_FAILURE(ExpectAgreement(table, items, "exists(number)"));
  }
}

// From the 65,537th value on, a column that is all different keeps no dictionary.
TEST(ItemTable, MatchesAlikeWhereAColumnTurnsOutToBeAllDifferent) {
  std::vector<Item> items;
  for (int64_t i = 0; i < 70000; ++i) {
    Item item = ItemCalled(StrCat("photo", i));
    item.path = StrCat(i % 7, "/", i, ".jpg");
    if (i % 10 != 3) item.metadata["measured"] = StrCat(0.25 * static_cast<double>(i));
    if (i > 66000 && i % 10 == 3) item.metadata["measured"] = "unknown";
    items.push_back(std::move(item));
  }
  const ItemTable table(items);
  for (const char* filter :
       {"measured = 0.25", "measured = \"0.25\"", "measured >= 16000.5", "measured < \"2\"",
        "measured in (1, 2, \"3\", \"unknown\")", "exists(measured)", "not exists(measured)",
        "path = \"3/3.jpg\"", "path > \"6/\"", "path in (\"0/0.jpg\", \"0/7.jpg\")",
        "id in (\"photo3\", \"photo69999\", \"photo70000\", \"photo3\")", "id < \"photo2\""}) {
    ASSERT_NO_FATAL_FAILURE(ExpectAgreement(table, items, filter));
  }
  ExpectSame(table.item(66003), items[66003]);
}

TEST(ItemTable, FindsRowsByIdAndNumbersIdentities) {
  std::vector<Item> items;
  for (int64_t i = 0; i < 5000; ++i) items.push_back(NumberedItems(1, i).front());
  items[17].identity = "";
  items[18].identity = "12";
  const ItemTable table(items);
  std::map<std::string, int32_t> numbers;
  for (int64_t row = 0; row < table.rows(); ++row) {
    const Item& item = items[static_cast<size_t>(row)];
    ASSERT_EQ(table.FindId(item.id), row);
    const int32_t number = table.identity_number(row);
    if (item.identity.empty()) {
      EXPECT_EQ(number, -1);
    } else {
      EXPECT_GE(number, 0);
      EXPECT_EQ(table.FindIdentity(item.identity), number);
      EXPECT_EQ(numbers.try_emplace(item.identity, number).first->second, number);
    }
  }
  EXPECT_EQ(numbers.size(), 8u);  // seven whales and "12"
  EXPECT_FALSE(table.FindId("photo5000").has_value());
  EXPECT_FALSE(table.FindId("").has_value());
  EXPECT_FALSE(table.FindIdentity("whale7").has_value());
  EXPECT_FALSE(table.FindIdentity("").has_value());
}

TEST(ItemTable, OfNoItemsMatchesNothing) {
  const ItemTable table(std::vector<Item>{});
  EXPECT_EQ(table.rows(), 0);
  EXPECT_FALSE(table.FindId("a").has_value());
  EXPECT_EQ(table.Matching(ParseFilter("not id = 'a'")).Count(), 0);
}

TEST(ItemTable, RefusesEmptyAndRepeatedIdsAndMetadataNamedLikeOtherFields) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  ExpectError(kInvalid, {"items 0 and 2", "same id 'a'"}, [] {
    ItemTable({ItemCalled("a"), ItemCalled("b"), ItemCalled("a")});
  });
  ExpectError(kInvalid, {"item 1", "empty id"}, [] {
    ItemTable({ItemCalled("a"), ItemCalled("")});
  });
  for (const char* name : {"id", "identity", "path", ""}) {
    Item item = ItemCalled("a");
    item.metadata[name] = "x";
    ExpectError(kInvalid, {StrCat("'", name, "'"), "metadata"}, [&] { ItemTable({item}); });
  }
}

TEST(ItemTable, IsReadFromCsvAsItemsAre) {
  const ItemTable table =
      ReadItemTable("camera,id,,empty,path\nc1,a,x,,a.jpg\n,b,y,,\n", "items.csv");
  ASSERT_EQ(table.rows(), 2);
  ExpectSame(table.item(0),
             {.id = "a", .identity = "", .path = "a.jpg", .metadata = {{"camera", "c1"}}});
  ExpectSame(table.item(1), ItemCalled("b"));

  Random random(RandomKey({23}));
  const auto items = RandomItems(random, 500);
  const ItemTable direct(items);
  const ItemTable read = ReadItemTable(ItemsToCsv(items), "items.csv");
  for (int64_t row = 0; row < direct.rows(); ++row) ExpectSame(read.item(row), direct.item(row));
}

TEST(ItemTable, ReadingNamesTheLineOfABadRow) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  const auto reading = [](std::string_view text) {
    return [text] { ReadItemTable(text, "items.csv"); };
  };
  ExpectError(kInvalid, {"items.csv:1", "no column 'id'", "path"}, reading("path\nx\n"));
  ExpectError(kInvalid, {"items.csv:4", "items 0 and 2", "'a'"}, reading("id\na\nb\na\n"));
  ExpectError(kInvalid, {"items.csv:2", "empty id"}, reading("id,path\n,x\n"));
  ExpectError(kInvalid, {"items.csv:3", "1 fields, expected 2"}, reading("id,path\na,x\nb\n"));
  ExpectError(kInvalid, {"items.csv", "empty"}, reading(""));
}

TEST(StringArena, KeepsStringsOfAnyLengthAndFindsThem) {
  Random random(RandomKey({24}));
  StringArena strings;
  StringIndex index;
  std::map<std::string, uint32_t> expected;
  std::vector<std::string> in_order;
  EXPECT_FALSE(index.Find(strings, "a").has_value());
  for (int i = 0; i < 20000; ++i) {
    std::string text(random.Below(6), ' ');
    for (char& c : text) c = static_cast<char>('a' + random.Below(6));
    if (random.Chance(0.01)) text += std::string(3000, 'x');
    const auto [known, is_new] = expected.try_emplace(text, static_cast<uint32_t>(in_order.size()));
    if (is_new) in_order.push_back(text);
    ASSERT_EQ(index.FindOrAppend(strings, text), known->second);
  }
  ASSERT_EQ(strings.size(), in_order.size());
  for (size_t i = 0; i < in_order.size(); ++i) {
    ASSERT_EQ(strings[i], in_order[i]);
    ASSERT_EQ(index.Find(strings, in_order[i]), static_cast<uint32_t>(i));
  }
  EXPECT_FALSE(index.Find(strings, "abcdefg").has_value());
}

}  // namespace
}  // namespace fluke
