#include "index/shared_scan.h"

#include <algorithm>

#include "index/parallel_loop.h"
#include "index/row_scorer.h"

namespace fluke {
namespace {

// Of rows: what a core finds in its caches while it goes over the queries.
constexpr int64_t kBlockBytes = 2 << 20;

}  // namespace

void ScanShared(Similarity similarity, std::span<const float> rows, int64_t dimension,
                std::span<AskedRows> asked) {
  const RowScorer scorer(similarity, rows, dimension);
  const int64_t total = static_cast<int64_t>(rows.size()) / dimension;
  const int64_t block_rows = std::max(RowScorer::kAtOnce, kBlockBytes / (4 * dimension));
  const int64_t blocks = (total + block_rows - 1) / block_rows;
  const int threads = omp_get_max_threads();
  // What each thread finds that may be better than what is known.
  std::vector<std::vector<BestK>> found(static_cast<size_t>(threads));
  for (auto& best : found) {
    for (const AskedRows& one : asked) best.emplace_back(one.best.k());
  }
  ParallelLoop(blocks, threads, [&](int64_t block, int thread) {
    for (size_t q = 0; q < asked.size(); ++q) {
      const std::vector<int64_t>& wanted = asked[q].rows;
      const auto begin = std::lower_bound(wanted.begin(), wanted.end(), block * block_rows);
      const auto end = std::lower_bound(begin, wanted.end(), (block + 1) * block_rows);
      BestK& best = found[static_cast<size_t>(thread)][q];
      const float known = asked[q].best.threshold();
      scorer.Score(
          asked[q].query, end - begin, [&](int64_t i) { return begin[i]; },
          [&](int64_t i, float score) {
            if (score < known || score < best.threshold()) return;
            best.Offer({.row = begin[i], .score = score});
          });
    }
  });
  for (size_t q = 0; q < asked.size(); ++q) {
    for (const auto& best : found) {
      for (const Neighbor& neighbor : best[q].kept()) asked[q].best.Offer(neighbor);
    }
  }
}

}  // namespace fluke
