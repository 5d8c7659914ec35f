#include "common/table.h"

#include <gtest/gtest.h>

#include "common/text.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

struct Row {
  std::string_view name;
  std::string_view help;
  int value;
};
constexpr Row kLossRows[] = {{"arcface", "", 1}, {"triplet", "", 2}, {"multi_similarity", "", 3}};

TEST(Table, FindsARowByName) { EXPECT_EQ(Find(kLossRows, "loss", "triplet").value, 2); }

TEST(Table, AnUnknownNameGetsTheNearestAndAllKnown) {
  const Error error = ErrorOf([] { Find(kLossRows, "loss", "arcfase"); });
  EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_STREQ(error.what(),
               "unknown loss 'arcfase'; did you mean 'arcface'? known: arcface, triplet, "
               "multi_similarity");
}

TEST(Table, ANameLikeNoOtherGetsTheListAlone) {
  EXPECT_EQ(UnknownName("loss", "dice", Names(kLossRows)),
            "unknown loss 'dice'; known: arcface, triplet, multi_similarity");
}

TEST(ClosestName, TakesSlipsOnly) {
  const std::vector<std::string_view> known = {"epochs", "lr", "batch_size", "p"};
  EXPECT_EQ(ClosestName("epoch", known), "epochs");           // a letter missing
  EXPECT_EQ(ClosestName("epcohs", known), "epochs");          // neighbours swapped
  EXPECT_EQ(ClosestName("Batch-Size", known), "batch_size");  // another spelling
  EXPECT_EQ(ClosestName("rl", known), "lr");
  EXPECT_EQ(ClosestName("workers", known), "");
  EXPECT_EQ(ClosestName("x", known), "");  // one letter of one wrong is another word
  EXPECT_EQ(ClosestName("", known), "");
  EXPECT_EQ(ClosestName(std::string(100000, 'e'), known), "");
}

TEST(Table, HostileNamesAreEscapedAndCut) {
  const std::string message = UnknownName("loss", "\x1b[31m" + std::string(1000, 'x'), {"arcface"});
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_LT(message.size(), 200u);
}

TEST(Text, JoinsEveryKindOfPart) {
  const std::string_view view = "b";
  EXPECT_EQ(StrCat("a", view, std::string("c"), 'd', 5, 0.5, true, std::filesystem::path("e/f")),
            "abcd50.51e/f");
  EXPECT_EQ(StrJoin(std::vector<std::string_view>{"x", "y"}, ", "), "x, y");
  EXPECT_EQ(StrJoin(std::vector<std::string>{}, ", "), "");
}

}  // namespace
}  // namespace fluke
