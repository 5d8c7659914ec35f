// The leaderboard as one HTML file that asks no other host for anything: styles, plots (SVG) and
// pictures stand in it.
#pragma once

#include <string>

#include "common/leaderboard/leaderboard.h"

namespace fluke {

std::string LeaderboardPage(const Leaderboard& board);

}  // namespace fluke
