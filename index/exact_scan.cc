#include "index/exact_scan.h"

#include <omp.h>

#include <algorithm>

#include "index/best_k.h"
#include "index/score_kernels.h"

namespace fluke {
namespace {

constexpr int64_t kBlockBytes =
    128 << 10;  // of rows: stays in the second-level cache for all queries of a pass
constexpr int64_t kQueriesPerPass = 256;  // bounds the memory for scores and heaps
constexpr double kParallelFrom =
    4e6;  // multiply-adds below which starting threads costs more than it gains

// What one thread has found in the row blocks that it has scanned.
struct Finds {
  std::vector<BestK> best;    // one a query
  std::vector<float> scores;  // queries x block
};

// At most kQueriesPerPass queries.
class Pass {
 public:
  Pass(Similarity similarity, std::span<const float> queries, std::span<const float> rows,
       int64_t dimension, int64_t k, const SearchScope& scope)
      : score_(BestScoreKernel().of(similarity)),
        queries_(queries.data()),
        query_count_(static_cast<int64_t>(queries.size()) / dimension),
        rows_(rows.data()),
        row_count_(static_cast<int64_t>(rows.size()) / dimension),
        dimension_(dimension),
        scope_(scope),
        block_rows_(std::max<int64_t>(16, kBlockBytes / (4 * dimension) / 4 * 4)) {
    const double work = static_cast<double>(query_count_) * row_count_ * dimension_;
    const int64_t blocks = (row_count_ + block_rows_ - 1) / block_rows_;
    const int64_t threads =
        work < kParallelFrom ? 1 : std::min<int64_t>(omp_get_max_threads(), blocks);
    // Everything is allocated before the threads start: no exception can arise among them.
    finds_.resize(static_cast<size_t>(threads));
    for (Finds& finds : finds_) {
      finds.best.assign(static_cast<size_t>(query_count_), BestK(k));
      for (BestK& best : finds.best) best = BestK(k);  // a copied vector loses its reserve
      finds.scores.resize(static_cast<size_t>(query_count_ * block_rows_));
    }
  }

  void Scan() {
    if (finds_.size() == 1) {
      for (int64_t begin = 0; begin < row_count_; begin += block_rows_) ScanBlock(begin, finds_[0]);
      return;
    }
#pragma omp parallel for schedule(dynamic) num_threads(static_cast <int>(finds_.size()))
    for (int64_t begin = 0; begin < row_count_; begin += block_rows_) {
      ScanBlock(begin, finds_[static_cast<size_t>(omp_get_thread_num())]);
    }
  }

  std::vector<Neighbor> Result(int64_t query, int64_t k) const {
    std::vector<Neighbor> all;
    for (const Finds& finds : finds_) {
      const auto& kept = finds.best[static_cast<size_t>(query)].kept();
      all.insert(all.end(), kept.begin(), kept.end());
    }
    std::sort(all.begin(), all.end(), Better);
    if (all.size() > static_cast<size_t>(k)) all.resize(static_cast<size_t>(k));
    return all;
  }

 private:
  void ScanBlock(int64_t begin, Finds& finds) const {
    const int64_t end = std::min(begin + block_rows_, row_count_);
    if (scope_.allowed == nullptr) {
      ScanRows(begin, end, finds);
      return;
    }
    // Allowed rows that follow each other together.
    for (int64_t row = begin; row < end;) {
      if (!scope_.allowed->Contains(row)) {
        ++row;
        continue;
      }
      int64_t next = row + 1;
      while (next < end && scope_.allowed->Contains(next)) ++next;
      ScanRows(row, next, finds);
      row = next;
    }
  }

  void ScanRows(int64_t begin, int64_t end, Finds& finds) const {
    const int64_t count = end - begin;
    score_(queries_, query_count_, rows_ + begin * dimension_, count, dimension_,
           finds.scores.data());
    for (int64_t q = 0; q < query_count_; ++q) {
      const int64_t excluded = scope_.excluded(q);
      BestK& best = finds.best[static_cast<size_t>(q)];
      const float* scores = finds.scores.data() + q * count;
      float threshold = best.threshold();
      for (int64_t r = 0; r < count; ++r) {
        if (scores[r] < threshold || begin + r == excluded) continue;
        best.Offer({.row = begin + r, .score = scores[r]});
        threshold = best.threshold();
      }
    }
  }

  ScoreFunction score_;
  const float* queries_;
  int64_t query_count_;
  const float* rows_;
  int64_t row_count_;
  int64_t dimension_;
  SearchScope scope_;
  int64_t block_rows_;
  std::vector<Finds> finds_;  // one a thread
};

}  // namespace

std::vector<std::vector<Neighbor>> ScanExactly(Similarity similarity,
                                               std::span<const float> queries,
                                               std::span<const float> rows, int64_t dimension,
                                               int64_t k, const SearchScope& scope) {
  const int64_t n = static_cast<int64_t>(queries.size()) / dimension;
  const int64_t kept = std::min<int64_t>(k, static_cast<int64_t>(rows.size()) / dimension);
  std::vector<std::vector<Neighbor>> results;
  results.reserve(static_cast<size_t>(n));
  if (kept == 0) {
    results.resize(static_cast<size_t>(n));
    return results;
  }
  for (int64_t begin = 0; begin < n; begin += kQueriesPerPass) {
    const int64_t count = std::min(kQueriesPerPass, n - begin);
    Pass pass(similarity,
              queries.subspan(static_cast<size_t>(begin * dimension),
                              static_cast<size_t>(count * dimension)),
              rows, dimension, kept, scope.Of(begin, count));
    pass.Scan();
    for (int64_t q = 0; q < count; ++q) results.push_back(pass.Result(q, kept));
  }
  return results;
}

}  // namespace fluke
