// Many runs of one task side by side: as a text, Markdown, JSON and one static page.
//
// Values only: whoever evaluates fills a Leaderboard, the functions here write it down.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/metrics/significance.h"

namespace fluke {

struct LeaderboardCell {
  double value = 0;
  std::optional<Interval> interval = {};
};

struct ScoreHistogram {
  double low = 0, high = 0;             // of the scores
  std::vector<double> same, different;  // shares of the pairs, one a bin of equal width
};

struct StripPicture {
  std::string caption;
  std::string jpeg = {};  // bytes; empty: no picture
  bool is_right = false;
};

// A query and what it found, best first.
struct HardQuery {
  StripPicture query;
  std::vector<StripPicture> found;
};

// How often the best match of an individual's photographs was another.
struct Confusion {
  std::vector<std::string> individuals;  // the most confused ones
  std::vector<int64_t> counts;           // individuals x individuals: true, then predicted
};

struct LeaderboardRun {
  std::string name;
  int64_t queries = 0;
  std::vector<LeaderboardCell> cells;  // one a metric
  // Of the first metric against the best run's, over the queries of both; none for the best.
  std::optional<double> p_against_best = {};
  // What a run has only where its vectors are at hand.
  std::vector<double> recall_at = {};  // [k - 1]: recall@k
  std::optional<ScoreHistogram> scores = {};
  std::vector<HardQuery> hardest = {};
  std::optional<Confusion> confusion = {};
};

struct Leaderboard {
  std::string title;
  std::vector<std::string> metrics;
  std::vector<LeaderboardRun> runs;  // best first
};

// Best first by the first metric, equal ones by name.
void SortByFirstMetric(Leaderboard* board);

std::string LeaderboardText(const Leaderboard& board);
std::string LeaderboardMarkdown(const Leaderboard& board);
std::string LeaderboardJson(const Leaderboard& board);

// Bins over all scores of both kinds. bins >= 1; nothing where there are no pairs.
std::optional<ScoreHistogram> MakeHistogram(const std::vector<float>& same,
                                            const std::vector<float>& different, int64_t bins);

}  // namespace fluke
