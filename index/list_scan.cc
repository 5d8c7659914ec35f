#include "index/list_scan.h"

#include <omp.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>

#include "index/best_k.h"
#include "index/code_hits.h"
#include "index/exact_scan.h"
#include "index/parallel_loop.h"
#include "index/row_scorer.h"
#include "index/score_kernels.h"

namespace fluke {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kChunkBlocks = kCodeChunkRows / kCodeBlockRows;

struct Candidate {
  float estimate;
  uint32_t row;
};

bool Higher(const Candidate& a, const Candidate& b) {
  return a.estimate != b.estimate ? a.estimate > b.estimate : a.row < b.row;
}

// One thread's search: its buffers serve one query after the other.
class Searcher {
 public:
  Searcher(const RowCodes& codes, const CodeKernel& kernel, Similarity similarity,
           std::span<const float> rows, int64_t dimension, const ListScanOptions& options,
           const RowSet* allowed)
      : codes_(codes),
        kernel_(kernel),
        scorer_(similarity, rows, dimension),
        find_hits_(BestFindHits(similarity == Similarity::kL2)),
        scope_{.allowed = allowed},
        k_(static_cast<size_t>(options.k)),
        nprobe_(std::min(options.nprobe, codes.lists())),
        most_(static_cast<size_t>(std::max(options.refine * options.k, options.k + 16))),
        head_(static_cast<size_t>(codes.head())),
        place_(static_cast<size_t>(codes.head())),
        list_scores_(static_cast<size_t>(codes.lists())),
        lists_(static_cast<size_t>(codes.lists())),
        dots_(static_cast<size_t>(kCodeChunkRows)),
        hits_(std::make_unique<CodeHits>()) {}

  std::vector<Neighbor> Search(std::span<const float> query, int64_t excluded) {
    candidates_.clear();
    threshold_ = -kInfinity;
    excluded_ = excluded;
    codes_.Project(query, head_, place_);
    codes_q_ = codes_.EncodeProjected(head_, kernel_.query_limit);
    RankLists();
    for (int64_t i = 0; i < nprobe_; ++i) Visit(lists_[static_cast<size_t>(i)]);
    if (candidates_.size() < k_) VisitMore();
    return Score(query);
  }

 private:
  // Orders lists by their centroids' scores.
  auto Nearer() const {
    return [scores = list_scores_.data()](int64_t a, int64_t b) {
      return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
    };
  }

  // The nprobe_ nearest first.
  void RankLists() {
    BestScoreKernel().negative_l2(place_.data(), 1, codes_.centroids().data(), codes_.lists(),
                                  codes_.head(), list_scores_.data());
    std::iota(lists_.begin(), lists_.end(), int64_t{0});
    std::partial_sort(lists_.begin(), lists_.begin() + nprobe_, lists_.end(), Nearer());
  }

  void VisitMore() {
    std::sort(lists_.begin() + nprobe_, lists_.end(), Nearer());
    for (size_t i = static_cast<size_t>(nprobe_); i < lists_.size(); ++i) {
      Visit(lists_[i]);
      if (candidates_.size() >= k_) return;
    }
  }

  void Visit(int64_t list) {
    const RowCodes::Blocks blocks = codes_.list(list);
    for (int64_t begin = blocks.begin; begin < blocks.end;) {
      const int64_t number = begin / kChunkBlocks;
      const int64_t end = std::min(blocks.end, (number + 1) * kChunkBlocks);
      VisitChunk(number, begin % kChunkBlocks, end - number * kChunkBlocks);
      begin = end;
    }
  }

  // Blocks [begin, end) of a chunk.
  void VisitChunk(int64_t number, int64_t begin, int64_t end) {
    const CodeChunk chunk = codes_.chunk(number);
    kernel_.dots(chunk.codes + begin * codes_.groups() * kCodeLineBytes, end - begin,
                 codes_.groups(), codes_q_.codes.data(), 1, dots_.data());
    find_hits_(chunk, codes_q_, dots_.data(), begin * kCodeBlockRows, end * kCodeBlockRows,
               threshold_, *hits_);
    const int64_t first = number * kCodeChunkRows;
    for (int64_t i = 0; i < hits_->count; ++i) {
      const int32_t p = hits_->positions[i];
      const int64_t row = codes_.row_at(first + p);
      if (row < 0 || row == excluded_ || !scope_.Allows(row)) continue;
      candidates_.push_back({hits_->middle[p], static_cast<uint32_t>(row)});
    }
    if (candidates_.size() > 2 * most_) KeepHighest(most_);
  }

  void KeepHighest(size_t count) {
    const auto last = candidates_.begin() + static_cast<int64_t>(count);
    std::nth_element(candidates_.begin(), last - 1, candidates_.end(), Higher);
    candidates_.erase(last, candidates_.end());
    threshold_ = candidates_.back().estimate;
  }

  // The best k of the candidates. A first share is scored whatever comes; of the others, those that
  // would be among the best if their estimates were too low by what the first ones' errors make
  // likely.
  std::vector<Neighbor> Score(std::span<const float> query) {
    if (candidates_.size() > most_) KeepHighest(most_);
    const size_t first = std::min(candidates_.size(), k_ + k_ / 2 + 6);
    if (first < candidates_.size()) {
      std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<int64_t>(first) - 1,
                       candidates_.end(), Higher);
    }
    std::vector<Neighbor> best;
    best.reserve(candidates_.size());
    ScoreRange(query, 0, first, best);
    if (first < candidates_.size() && best.size() >= k_) {
      // Those with the highest estimates are overestimated for the most part: how much the others
      // may be underestimated is told by how far the errors of these lie apart.
      float least = kInfinity, most = -kInfinity, sum = 0;
      for (size_t i = 0; i < first; ++i) {
        const float error = best[i].score - candidates_[i].estimate;
        least = std::min(least, error);
        most = std::max(most, error);
        sum += error;
      }
      const float underestimated = sum / static_cast<float>(first) + (most - least);
      const auto kth = best.begin() + static_cast<int64_t>(k_) - 1;
      std::nth_element(best.begin(), kth, best.end(), Better);
      const float needed = kth->score - underestimated;
      const auto end =
          std::partition(candidates_.begin() + static_cast<int64_t>(first), candidates_.end(),
                         [&](const Candidate& candidate) { return candidate.estimate >= needed; });
      ScoreRange(query, first, static_cast<size_t>(end - candidates_.begin()), best);
    }
    const size_t kept = std::min(k_, best.size());
    std::partial_sort(best.begin(), best.begin() + static_cast<int64_t>(kept), best.end(), Better);
    best.resize(kept);
    return best;
  }

  void ScoreRange(std::span<const float> query, size_t begin, size_t end,
                  std::vector<Neighbor>& out) const {
    const auto row_of = [&](int64_t i) -> int64_t {
      return candidates_[begin + static_cast<size_t>(i)].row;
    };
    scorer_.Score(
        query.data(), static_cast<int64_t>(end - begin), row_of,
        [&](int64_t i, float score) { out.push_back({.row = row_of(i), .score = score}); });
  }

  const RowCodes& codes_;
  const CodeKernel& kernel_;
  RowScorer scorer_;
  FindHitsFunction find_hits_;
  SearchScope scope_;
  size_t k_;
  int64_t nprobe_;
  size_t most_;  // candidates kept

  std::vector<float> head_, place_, list_scores_;
  std::vector<int64_t> lists_;
  QueryCodes codes_q_;
  std::vector<int32_t> dots_;
  std::unique_ptr<CodeHits> hits_;
  std::vector<Candidate> candidates_;
  float threshold_ = -kInfinity;
  int64_t excluded_ = -1;
};

}  // namespace

std::vector<std::vector<Neighbor>> ScanLists(const RowCodes& codes, const CodeKernel& kernel,
                                             Similarity similarity, std::span<const float> queries,
                                             std::span<const float> rows, int64_t dimension,
                                             const ListScanOptions& options,
                                             const SearchScope& scope) {
  const auto width = static_cast<size_t>(dimension);
  const auto n = static_cast<int64_t>(queries.size() / width);
  const auto threads = static_cast<int>(std::min<int64_t>(n, omp_get_max_threads()));
  std::vector<Searcher> searchers;
  for (int i = 0; i < std::max(threads, 1); ++i) {
    searchers.emplace_back(codes, kernel, similarity, rows, dimension, options, scope.allowed);
  }
  std::vector<std::vector<Neighbor>> results(static_cast<size_t>(n));
  ParallelLoop(n, threads, [&](int64_t q, int thread) {
    const auto i = static_cast<size_t>(q);
    results[i] = searchers[static_cast<size_t>(thread)].Search(queries.subspan(i * width, width),
                                                               scope.excluded(q));
  });
  return results;
}

}  // namespace fluke
