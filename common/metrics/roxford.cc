#include "common/metrics/roxford.h"

#include <algorithm>
#include <string>

#include "common/metrics/retrieval.h"

namespace fluke {
namespace {

constexpr RoxfordSetup kSetups[] = {
    {"easy", true, false, "easy positives; hard ones are junk"},
    {"medium", true, true, "easy and hard positives"},
    {"hard", false, true, "hard positives; easy ones are junk"},
};

int64_t CountOf(const JudgedRanking& ranking, int grade) {
  const auto level = static_cast<size_t>(grade);
  return level < ranking.level_counts.size() ? ranking.level_counts[level] : 0;
}

// 1 for a positive, 0 for what is wrong; neither junk nor the other setup's positives.
std::vector<int64_t> WithoutJunk(const JudgedRanking& ranking, const RoxfordSetup& setup) {
  std::vector<int64_t> positives;
  for (int grade : ranking.grades) {
    if (grade == kRoxfordEasy || grade == kRoxfordHard) {
      if (grade == kRoxfordEasy ? setup.easy : setup.hard) positives.push_back(1);
    } else if (grade != kRoxfordJunk) {
      positives.push_back(0);
    }
  }
  return positives;
}

double PrecisionWithin(const std::vector<int64_t>& positives, int64_t k) {
  const auto last = std::find(positives.rbegin(), positives.rend(), 1);
  const int64_t place = std::min<int64_t>(k, positives.rend() - last);
  if (place == 0) return 0;
  const auto hits = std::count(positives.begin(), positives.begin() + place, 1);
  return static_cast<double>(hits) / static_cast<double>(place);
}

}  // namespace

std::span<const RoxfordSetup> RoxfordSetups() { return kSetups; }

MetricReport EvaluateRoxford(std::span<const JudgedRanking> rankings, const RoxfordSetup& setup) {
  const std::string map = "map_trapezoid";
  MetricReport report;
  for (size_t q = 0; q < rankings.size(); ++q) {
    const int64_t relevant = (setup.easy ? CountOf(rankings[q], kRoxfordEasy) : 0) +
                             (setup.hard ? CountOf(rankings[q], kRoxfordHard) : 0);
    if (relevant == 0) {
      ++report.dropped_queries;
      continue;
    }
    const std::vector<int64_t> positives = WithoutJunk(rankings[q], setup);
    const RankedQuery query = {
        .identity = 1, .ranked = positives, .relevant = relevant, .complete = true};
    report.counted.push_back(static_cast<int64_t>(q));
    report.values.push_back(EvaluateRetrieval({&query, 1}, {&map, 1}).metrics[0].value);
    for (int64_t k : {1, 5, 10}) report.values.push_back(PrecisionWithin(positives, k));
  }
  SetMeans(std::vector<std::string>{"mAP", "mP@1", "mP@5", "mP@10"}, &report);
  return report;
}

}  // namespace fluke
