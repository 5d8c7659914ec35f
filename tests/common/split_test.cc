#include "common/split.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/folders.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

// sha1: "a" 86f7..., "b" e9d7..., "c" 84a5..., "d" 3c36... (sha1sum, coreutils 9.1).
TEST(OrderBySha1, SortsDistinctNamesByTheirDigest) {
  EXPECT_THAT(OrderBySha1({"a", "b", "c", "d", "a"}), ElementsAre("d", "c", "a", "b"));
  EXPECT_TRUE(OrderBySha1({}).empty());
}

TEST(OrderBySeed, IsTheSameForOneSeedWhateverTheOrderOfTheNames) {
  const std::vector<std::string> names = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
  const std::vector<std::string> backwards(names.rbegin(), names.rend());
  EXPECT_EQ(OrderBySeed(names, 7), OrderBySeed(backwards, 7));
  EXPECT_NE(OrderBySeed(names, 7), OrderBySeed(names, 8));
}

TEST(TrainCount, IsNTimesEightTenthsInIntegersForAFifth) {
  for (size_t n = 0; n < 5000; ++n) ASSERT_EQ(TrainCount(n, .2), n * 8 / 10) << n;
  for (size_t n = 0; n < 5000; ++n) ASSERT_EQ(TrainCount(n, .3), n * 7 / 10) << n;
  EXPECT_EQ(TrainCount(7, 0), 7u);
  EXPECT_EQ(TrainCount(7, 1), 0u);
  EXPECT_THROW(TrainCount(7, 1.5), Error);
  EXPECT_THROW(TrainCount(7, -.1), Error);
}

TEST(HeldOut, TakesTheSeedsOrderWhenOneIsGiven) {
  const std::vector<std::string> names = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
  const std::vector<std::string> ordered = OrderBySeed(names, 3);
  EXPECT_THAT(HeldOut(names, .2, 3), UnorderedElementsAre(ordered[8], ordered[9]));
}

TEST(HeldOut, ReproducesThePublishedSplitOfNyala) {
  std::ifstream file(DataFolder() / "nyala" / "nyala_split.csv");
  if (!file) GTEST_SKIP() << "no nyala/nyala_split.csv in " << DataFolder();
  std::string line;
  std::getline(file, line);
  ASSERT_EQ(line, "path,identity,split");
  std::map<std::string, std::string> split_of;
  std::vector<std::string> identities;
  while (std::getline(file, line)) {
    std::istringstream row(line);
    std::string path, identity, split;
    std::getline(row, path, ','), std::getline(row, identity, ','), std::getline(row, split);
    split_of[identity] = split;
    identities.push_back(identity);
  }
  const std::set<std::string> held_out = HeldOut(identities, .2);
  EXPECT_EQ(split_of.size(), 179u);
  EXPECT_EQ(held_out.size(), 36u);
  for (const auto& [identity, split] : split_of) {
    EXPECT_EQ(held_out.contains(identity) ? "test" : "train", split) << identity;
  }
}

}  // namespace
}  // namespace fluke
