#include "index/proposed_scan.h"

#include <algorithm>
#include <bit>

#include "index/best_k.h"
#include "index/parallel_loop.h"
#include "index/row_scorer.h"

namespace fluke {
namespace {

constexpr int64_t kMoreThanAsked = 8;  // at least, to tell the k-th from those that may follow

// FAISS's GPU half selects as quickly for a power of two as for less.
int64_t Proposals(int64_t k) {
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(k + kMoreThanAsked)));
}

}  // namespace

std::vector<std::optional<std::vector<Neighbor>>> ScanProposed(
    const Proposer& proposer, Similarity similarity, std::span<const float> queries,
    std::span<const float> rows, int64_t dimension, int64_t k, const SearchScope& scope) {
  const auto width = static_cast<size_t>(dimension);
  const auto n = static_cast<int64_t>(queries.size() / width);
  const int64_t total = static_cast<int64_t>(rows.size()) / dimension;
  const int64_t count = std::min({Proposals(k), proposer.most(), total});
  std::vector<std::optional<std::vector<Neighbor>>> results(static_cast<size_t>(n));
  if (count < k) return results;
  std::vector<int64_t> proposed(static_cast<size_t>(n * count));
  std::vector<float> proposed_scores(proposed.size());
  proposer.Propose(queries, count, 0, proposed, proposed_scores);
  const RowScorer scorer(similarity, rows, dimension);
  ParallelLoop(n, omp_get_max_threads(), [&](int64_t q, int) {
    const auto query = queries.subspan(static_cast<size_t>(q) * width, width);
    const auto mine =
        std::span(proposed).subspan(static_cast<size_t>(q * count), static_cast<size_t>(count));
    // Broken scores, of values beyond an engine's range.
    if (std::find(mine.begin(), mine.end(), -1) != mine.end()) return;
    BestK best(k);
    scorer.Score(
        query.data(), count, [&](int64_t i) { return mine[static_cast<size_t>(i)]; },
        [&](int64_t i, float score) {
          const int64_t row = mine[static_cast<size_t>(i)];
          if (row != scope.excluded(q)) best.Offer({.row = row, .score = score});
        });
    // A row that was not proposed scores at most this. All comparisons are false for a NaN.
    const double others =
        proposed_scores[static_cast<size_t>((q + 1) * count - 1)] + proposer.ScoreError(query);
    if (count == total || best.threshold() > others) {
      results[static_cast<size_t>(q)] = best.Sorted();
    }
  });
  return results;
}

}  // namespace fluke
