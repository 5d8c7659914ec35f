// fluke evaluate --leaderboard: a folder of runs as one table and one page.
#pragma once

#include <string>

#include "cli/evaluate_outcome.h"

namespace fluke::cli {

struct LeaderboardArguments {
  std::string folder;  // of runs: embeddings folders, and CSV files of --per-query
  std::string out;     // leaderboard.md, .json and .html are written there; "" = none
  std::string images;  // where the items' paths begin; "" = strips without pictures
  std::string title;
};

// `evaluate`: protocol, metrics and the like, the same for every run. Prints the table, or with
// evaluate.json the JSON document.
void RunLeaderboard(const LeaderboardArguments& arguments, const EvaluateArguments& evaluate);

}  // namespace fluke::cli
