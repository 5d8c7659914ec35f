#include "common/leaderboard/leaderboard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include <nlohmann/json.hpp>

#include "common/leaderboard/page.h"
#include "common/leaderboard/plots.h"

namespace fluke {
namespace {

using testing::HasSubstr;
using testing::Not;

Leaderboard TwoRuns() {
  Leaderboard board{.title = "Whales & <others>", .metrics = {"recall@1", "map@r"}, .runs = {}};
  board.runs.push_back({.name = "a|b", .queries = 7, .cells = {{.value = .25}, {.value = .5}}});
  board.runs.push_back({.name = "c",
                        .queries = 7,
                        .cells = {{.value = .75, .interval = Interval{.6, .8}}, {.value = .125}}});
  board.runs[0].p_against_best = .03125;
  SortByFirstMetric(&board);
  return board;
}

TEST(Leaderboard, TheBestStandsFirstInATextWithStraightColumns) {
  EXPECT_EQ(LeaderboardText(TwoRuns()),
            "run  queries  recall@1               map@r   p against best\n"
            "c    7        0.7500 [0.600, 0.800]  0.1250\n"
            "a|b  7        0.2500                 0.5000  0.0312\n");
}

TEST(Leaderboard, MarkdownKeepsItsColumns) {
  const std::string text = LeaderboardMarkdown(TwoRuns());
  EXPECT_THAT(text, HasSubstr("\n| a\\|b | 7 | 0.2500 | 0.5000 | 0.0312 |\n"));
  EXPECT_THAT(text, HasSubstr("|---|--:|--:|--:|--:|\n"));
}

TEST(Leaderboard, JsonHasValuesAndIntervals) {
  const auto json = nlohmann::json::parse(LeaderboardJson(TwoRuns()));
  EXPECT_EQ(json["runs"][0]["name"], "c");
  EXPECT_EQ(json["runs"][0]["intervals"]["recall@1"][1], .8);
  EXPECT_EQ(json["runs"][1]["metrics"]["map@r"], .5);
  EXPECT_FALSE(json["runs"][1].contains("intervals"));
}

TEST(Leaderboard, ThePageEscapesNamesAndHoldsItsPictures) {
  Leaderboard board = TwoRuns();
  board.runs[0].recall_at = {.5, .75, 1};
  board.runs[0].hardest = {{.query = {.caption = "<script>alert(1)</script>", .jpeg = "abc"},
                            .found = {{.caption = "w", .is_right = true}}}};
  board.runs[0].confusion = Confusion{.individuals = {"x", "y"}, .counts = {1, 2, 0, 3}};
  const std::string page = LeaderboardPage(board);
  EXPECT_THAT(page, HasSubstr("<title>Whales &amp; &lt;others&gt;</title>"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;"));
  EXPECT_THAT(page, HasSubstr("src=\"data:image/jpeg;base64,YWJj\""));  // abc
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, Not(HasSubstr("http://")));
  EXPECT_THAT(page, Not(HasSubstr("https://")));
}

TEST(Leaderboard, HistogramsShareTheirBinsAndSumToOne) {
  const auto histogram = MakeHistogram({.93f, .87f, 1.f}, {0.f, .1f, .15f, .95f}, 10);
  ASSERT_TRUE(histogram);
  EXPECT_EQ(histogram->low, 0);
  EXPECT_EQ(histogram->high, 1);
  EXPECT_NEAR(std::accumulate(histogram->same.begin(), histogram->same.end(), 0.0), 1, 1e-12);
  EXPECT_NEAR(histogram->different[0], .25, 1e-12);
  EXPECT_NEAR(histogram->different[9], .25, 1e-12);
  EXPECT_NEAR(histogram->same[9], 2.0 / 3, 1e-12);  // .93 and 1
  EXPECT_FALSE(MakeHistogram({}, {1}, 4));
}

TEST(Leaderboard, CurvesStandAtTheirHeight) {
  // Heights of the plot's 240 pixels below 12: 1 at the top, .5 in the middle.
  const std::string svg = CurvePlot({{"a", {.5, 1}}}, "k", "recall@k");
  EXPECT_THAT(svg, HasSubstr("points='48.0,132.0 468.0,12.0 '"));
}

}  // namespace
}  // namespace fluke
