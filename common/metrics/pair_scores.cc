#include "common/metrics/pair_scores.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "common/metrics/search_plan.h"
#include "common/parallel.h"
#include "common/random.h"

namespace fluke {
namespace {

float Dot(std::span<const float> a, std::span<const float> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0f);
}

}  // namespace

PairScores ScorePairs(std::span<const float> queries, std::span<const float> gallery, int64_t d,
                      const SearchLabels& labels, int64_t most, uint64_t seed) {
  const SearchPlan plan(labels);
  const auto n = static_cast<int64_t>(labels.gallery.size());
  const auto count = static_cast<int64_t>(labels.queries.size());
  std::unordered_map<int64_t, std::vector<int64_t>> rows_of;
  for (int64_t row = 0; row < n; ++row) {
    if (labels.gallery[row] >= 0) rows_of[labels.gallery[row]].push_back(row);
  }
  const int64_t drawn = std::max<int64_t>(1, most / std::max<int64_t>(count, 1));
  PairScores scores{.same = {}, .different = {}, .is_sample = drawn < n};
  std::vector<PairScores> of_query(count);
  ParallelFor(count, HardwareThreads(), [&](int64_t q, int) {
    const int64_t identity = labels.queries[q];
    if (identity < 0) return;
    std::vector<int64_t> left_out;
    plan.LeftOut(q, &left_out);
    const auto score = [&](int64_t row) {
      return Dot(queries.subspan(q * d, d), gallery.subspan(row * d, d));
    };
    if (const auto own = rows_of.find(identity); own != rows_of.end()) {
      for (int64_t row : own->second) {
        if (std::binary_search(left_out.begin(), left_out.end(), row)) continue;
        of_query[q].same.push_back(score(row));
      }
    }
    Random random(RandomKey({seed, static_cast<uint64_t>(q)}));
    for (int64_t i = 0; i < std::min(drawn, n); ++i) {
      const int64_t row = scores.is_sample ? static_cast<int64_t>(random.Below(n)) : i;
      if (labels.gallery[row] < 0 || labels.gallery[row] == identity) continue;
      of_query[q].different.push_back(score(row));
    }
  });
  for (const PairScores& one : of_query) {
    scores.same.insert(scores.same.end(), one.same.begin(), one.same.end());
    scores.different.insert(scores.different.end(), one.different.begin(), one.different.end());
  }
  return scores;
}

}  // namespace fluke
