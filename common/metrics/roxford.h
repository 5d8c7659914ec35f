// Oxford and Paris, revisited (Radenovic et al. 2018): three setups out of one judged run.
#pragma once

#include <span>
#include <string_view>

#include "common/metrics/report.h"
#include "common/metrics/trec.h"

namespace fluke {

// Grades of the qrels; any other document is wrong. Junk, and what a setup does not count, is taken
// out of the ranking as if it were not there.
inline constexpr int kRoxfordEasy = 2;
inline constexpr int kRoxfordHard = 1;
inline constexpr int kRoxfordJunk = -1;

struct RoxfordSetup {
  std::string_view name;
  bool easy, hard;  // which positives count
  std::string_view help;
};
std::span<const RoxfordSetup> RoxfordSetups();

// Metrics mAP (trapezoidal rule) and mP@1, mP@5, mP@10: precision of the first k, where k is at
// most the place of the last positive. rankings: of documents by grade, best first, over the whole
// gallery. A query without positives of this setup is dropped. Positives that a shortened ranking
// lacks count as not found.
MetricReport EvaluateRoxford(std::span<const JudgedRanking> rankings, const RoxfordSetup& setup);

}  // namespace fluke
