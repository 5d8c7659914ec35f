#include "index/bounded_scan.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>

#include "index/best_k.h"
#include "index/code_hits.h"
#include "index/exact_scan.h"
#include "index/parallel_loop.h"
#include "index/row_codes_writer.h"
#include "index/row_scorer.h"
#include "index/shared_scan.h"

namespace fluke {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kQueriesPerPass = 256;        // bounds the memory for dots and candidates
constexpr int64_t kCandidateBytes = 256 << 20;  // for all queries of a pass
constexpr int64_t kQueriesAtOnce = 32;          // their products with a chunk stay in the cache
constexpr int64_t kQueriesApart = 64;           // of as many a thread, each goes over all chunks
constexpr double kParallelFrom = 4e6;  // code products below which threads cost more than they gain

// From this many queries on they share what they read; each scores only 2 k rows on its own.
constexpr int64_t kManyQueries = 16;
// A plain scan is quicker than scoring this part of the rows: of many queries, of few.
constexpr int64_t kPlainFrom = 6, kPlainFromAlone = 3;
// Fewer allowed rows than this part of all: their vectors are read sooner than everybody's codes.
constexpr int64_t kFewAllowed = 64;
constexpr int64_t kScanned = -1;  // instead of a number of rows: to be scanned plainly

struct Candidate {
  float upper, middle;  // the most that its score can be, and the estimate
  uint32_t row;
};

// What one query looks for in one thread's share of the chunks. Bounds here leave out what all rows
// have in common (QueryCodes::constant).
class Candidates {
 public:
  Candidates(int64_t k, int64_t limit)
      : k_(static_cast<size_t>(k)),
        limit_(static_cast<size_t>(limit)),
        raise_at_(std::min(limit_, 8 * k_ + 256)) {
    lowest_.reserve(k_);
  }

  // Rows whose upper bound is below cannot be among the best k.
  float threshold() const {
    return lowest_.size() < k_ ? floor_ : std::max(floor_, lowest_.front());
  }

  // There were too many: the query must be scanned plainly.
  bool gave_up() const { return gave_up_; }

  // Where bounds leave many rows, the best estimates are scored, since k scores are a higher
  // threshold than k lower bounds. scores_of(candidates): at most their k-th best score.
  template <typename ScoresOf>
  void Offer(const Candidate& candidate, const ScoresOf& scores_of) {
    if (candidate.upper < threshold()) return;
    kept_.push_back(candidate);
    const float lower = 2 * candidate.middle - candidate.upper;
    if (lowest_.size() < k_) {
      lowest_.push_back(lower);
      std::push_heap(lowest_.begin(), lowest_.end(), std::greater<>());
    } else if (lower > lowest_.front()) {
      std::pop_heap(lowest_.begin(), lowest_.end(), std::greater<>());
      lowest_.back() = lower;
      std::push_heap(lowest_.begin(), lowest_.end(), std::greater<>());
    }
    if (kept_.size() < raise_at_) return;
    Thin();
    if (kept_.size() > raise_at_ / 2) {
      Raise(scores_of);
      Thin();
    }
    gave_up_ = kept_.size() > limit_ / 2;
    raise_at_ = std::min(limit_, std::max(raise_at_, 2 * kept_.size()));
  }

  float floor() const { return floor_; }
  int64_t scored() const { return scored_; }  // rows, for the floor
  const std::vector<float>& lower_bounds() const { return lowest_; }
  const std::vector<Candidate>& kept() const { return kept_; }

 private:
  void Thin() {
    const float least = threshold();
    std::erase_if(kept_, [&](const Candidate& candidate) { return candidate.upper < least; });
  }

  template <typename ScoresOf>
  void Raise(const ScoresOf& scores_of) {
    const size_t count = std::min(kept_.size(), k_ + k_ / 2);
    const auto end = kept_.begin() + static_cast<int64_t>(count);
    std::nth_element(kept_.begin(), end - 1, kept_.end(),
                     [](const Candidate& a, const Candidate& b) { return a.middle > b.middle; });
    floor_ = std::max(floor_, scores_of(std::span(kept_).first(count)));
    scored_ += static_cast<int64_t>(count);
  }

  size_t k_, limit_, raise_at_;
  std::vector<float> lowest_;  // the k best lower bounds, the least on top
  float floor_ = -kInfinity;   // k rows are known to score as much
  std::vector<Candidate> kept_;
  int64_t scored_ = 0;
  bool gave_up_ = false;
};

// The part of a query's bounds that rounding in float32 may have moved: of the scores themselves
// (d / 16 + 6 steps a lane, score_kernels.h) and of the bounds' arithmetic.
double RoundingSlack(bool l2, double query_norm, double row_norm, int64_t dimension) {
  const double steps = (static_cast<double>(dimension) / 16 + 64) * 0x1p-24;
  const double size =
      l2 ? 2 * (query_norm + row_norm) * (query_norm + row_norm) : query_norm * row_norm;
  return steps * size;
}

// At most kQueriesPerPass queries, all of them ordinary.
class Pass {
 public:
  Pass(const RowCodes& codes, const CodeKernel& kernel, Similarity similarity,
       std::span<const float> queries, std::span<const float> rows, int64_t dimension, int64_t k,
       const SearchScope& scope)
      : codes_(codes),
        kernel_(kernel),
        similarity_(similarity),
        l2_(similarity == Similarity::kL2),
        find_hits_(BestFindHits(l2_)),
        scorer_(similarity, rows, dimension),
        queries_(queries),
        rows_(rows),
        dimension_(dimension),
        k_(k),
        scope_(scope),
        encoded_(codes.Encode(queries, kernel.query_limit)) {
    for (const QueryCodes& query : encoded_) {
      query_codes_.insert(query_codes_.end(), query.codes.begin(), query.codes.end());
    }
    const auto n = static_cast<int64_t>(encoded_.size());
    const double work = static_cast<double>(n * codes.rows() * codes.head());
    const int64_t threads =
        work < kParallelFrom ? 1 : std::min<int64_t>(omp_get_max_threads(), codes.chunks());
    const int64_t room = kCandidateBytes / static_cast<int64_t>(sizeof(Candidate)) / n / threads;
    const int64_t limit = std::max(4 * k + 1024, std::min(room, codes.rows()));
    // Buffers are there before the threads start.
    found_.resize(static_cast<size_t>(threads));
    for (Share& share : found_) {
      for (int64_t q = 0; q < n; ++q) share.candidates.emplace_back(k, limit);
      share.dots.resize(static_cast<size_t>(std::min(n, kQueriesAtOnce) * kCodeChunkRows));
      share.hits = std::make_unique<CodeHits>();
    }
  }

  // Of many queries each thread takes some to all chunks: what it finds in one chunk rules rows out
  // in the next. Few queries share the chunks among the threads.
  void Scan() {
    const auto n = static_cast<int64_t>(encoded_.size()), chunks = codes_.chunks();
    const auto threads = static_cast<int64_t>(found_.size());
    if (threads > 1 && n >= threads * kQueriesApart) {
      ParallelLoop((n + kQueriesApart - 1) / kQueriesApart, static_cast<int>(threads),
                   [&](int64_t part, int thread) {
                     const int64_t begin = part * kQueriesApart;
                     Share& share = found_[static_cast<size_t>(thread)];
                     for (int64_t chunk = 0; chunk < chunks; ++chunk) {
                       ScanChunk(chunk, begin, std::min(begin + kQueriesApart, n), share);
                     }
                   });
      return;
    }
    ParallelLoop(chunks, static_cast<int>(threads), [&](int64_t chunk, int thread) {
      ScanChunk(chunk, 0, n, found_[static_cast<size_t>(thread)]);
    });
  }

  // The best k of every query, and of how many rows they are the best: kScanned instead where those
  // are so many that a plain scan is quicker, which is left to the caller.
  void Finish(std::span<std::vector<Neighbor>> best, std::span<int64_t> scored) const {
    std::vector<AskedRows> asked;
    asked.reserve(encoded_.size());
    for (size_t q = 0; q < encoded_.size(); ++q) asked.emplace_back(k_);
    ParallelLoop(static_cast<int64_t>(asked.size()), omp_get_max_threads(), [&](int64_t q, int) {
      scored[static_cast<size_t>(q)] = ScoreBest(q, asked[static_cast<size_t>(q)]);
    });
    const auto has_rows = [](const AskedRows& one) { return !one.rows.empty(); };
    if (std::any_of(asked.begin(), asked.end(), has_rows)) {
      ScanShared(similarity_, rows_, dimension_, asked);
    }
    for (size_t q = 0; q < asked.size(); ++q) {
      if (scored[q] != kScanned) best[q] = asked[q].best.Sorted();
    }
  }

 private:
  // What one thread has found in its chunks.
  struct Share {
    std::vector<Candidates> candidates;  // one a query
    std::vector<int32_t> dots;           // kQueriesAtOnce x chunk
    std::unique_ptr<CodeHits> hits;
  };

  // Queries [begin, end).
  void ScanChunk(int64_t number, int64_t begin, int64_t end, Share& share) const {
    const CodeChunk chunk = codes_.chunk(number);
    const int64_t first = number * kCodeChunkRows;
    const int64_t count = std::min(kCodeChunkRows, codes_.positions() - first);
    if (scope_.allowed != nullptr && codes_.lists() == 0 &&
        !scope_.allowed->AnyIn(first, first + count)) {
      return;
    }
    for (int64_t q = begin; q < end; q += kQueriesAtOnce) {
      ScanChunk(chunk, first, count, q, std::min(q + kQueriesAtOnce, end), share);
    }
  }

  // Queries [begin, end); the chunk's `count` positions begin at `first`.
  void ScanChunk(const CodeChunk& chunk, int64_t first, int64_t count, int64_t begin, int64_t end,
                 Share& share) const {
    const int64_t blocks = (count + kCodeBlockRows - 1) / kCodeBlockRows;
    kernel_.dots(chunk.codes, blocks, codes_.groups(), query_codes_.data() + begin * codes_.head(),
                 end - begin, share.dots.data());
    for (int64_t q = begin; q < end; ++q) {
      Candidates& candidates = share.candidates[static_cast<size_t>(q)];
      if (candidates.gave_up()) continue;
      const QueryCodes& query = encoded_[static_cast<size_t>(q)];
      const auto slack =
          static_cast<float>(1.0001 * (RoundingSlack(l2_, query.norm, chunk.norm, dimension_) +
                                       static_cast<double>(query.code_error) * chunk.code_norm));
      const int32_t* dots = share.dots.data() + (q - begin) * blocks * kCodeBlockRows;
      // Without a threshold every row is a candidate: the first few make one, some more a better
      // one.
      const bool is_first = candidates.threshold() == -kInfinity;
      for (int64_t some = 0; some < count;) {
        const int64_t some_end =
            is_first ? std::min(count, std::max(4 * some, kCodeBlockRows * (1 + k_ / 8))) : count;
        find_hits_(chunk, query, dots + some, some, some_end, candidates.threshold() - slack,
                   *share.hits);
        TakeHits(first, q, slack, *share.hits, candidates);
        some = some_end;
      }
    }
  }

  // Hits in the chunk that begins at position `first`.
  void TakeHits(int64_t first, int64_t q, float slack, const CodeHits& hits,
                Candidates& candidates) const {
    const int64_t excluded = scope_.excluded(q);
    for (int64_t i = 0; i < hits.count; ++i) {
      const int32_t p = hits.positions[i];
      const int64_t row = codes_.row_at(first + p);
      if (row < 0 || row == excluded || !scope_.Allows(row)) continue;
      candidates.Offer({.upper = hits.upper[p] + slack,
                        .middle = hits.middle[p],
                        .row = static_cast<uint32_t>(row)},
                       [&](std::span<const Candidate> some) { return KthScore(q, some); });
    }
  }

  // Scores the rows of a query by falling upper bound, of many queries only the first: the others
  // that can still be among the best are asked for. How many rows that makes, or kScanned.
  int64_t ScoreBest(int64_t q, AskedRows& asked) const {
    int64_t scored = 0;
    for (const Share& share : found_) {
      const Candidates& candidates = share.candidates[static_cast<size_t>(q)];
      if (candidates.gave_up()) return kScanned;
      scored += candidates.scored();
    }
    std::vector<Candidate> candidates = Remaining(q);
    const bool many = static_cast<int64_t>(encoded_.size()) >= kManyQueries;
    if (static_cast<int64_t>(candidates.size()) >
        std::max(4 * k_, codes_.rows() / (many ? kPlainFrom : kPlainFromAlone))) {
      return kScanned;
    }
    asked.query = queries_.data() + q * dimension_;
    BestK& best = asked.best;
    const double constant = encoded_[static_cast<size_t>(q)].constant;
    // Upper bounds here hold their slack; the sum in double precision adds none.
    const auto can_enter = [&](const Candidate& candidate) {
      return candidate.upper + constant >= best.threshold();
    };
    std::make_heap(candidates.begin(), candidates.end(), Lower);
    auto end = candidates.end();
    const int64_t most = many ? 2 * k_ : std::numeric_limits<int64_t>::max();
    while (candidates.end() - end < most && end != candidates.begin() &&
           can_enter(candidates.front())) {
      const auto last = end;
      for (int64_t i = 0; i < RowScorer::kAtOnce && end != candidates.begin(); ++i) {
        std::pop_heap(candidates.begin(), end--, Lower);
      }
      ScoreInto(q, {end, last}, best);
    }
    scored += candidates.end() - end;
    if (end == candidates.begin() || !can_enter(candidates.front())) return scored;
    for (auto candidate = candidates.begin(); candidate != end; ++candidate) {
      if (can_enter(*candidate)) asked.rows.push_back(candidate->row);
    }
    std::sort(asked.rows.begin(), asked.rows.end());
    return scored + static_cast<int64_t>(asked.rows.size());
  }

  // At most the k-th best score of some rows, at least k, as bounds are compared.
  float KthScore(int64_t q, std::span<const Candidate> some) const {
    BestK best(k_);
    ScoreInto(q, some, best);
    const auto score =
        static_cast<float>(best.threshold() - encoded_[static_cast<size_t>(q)].constant);
    return std::nextafter(score, -kInfinity);
  }

  void ScoreInto(int64_t q, std::span<const Candidate> some, BestK& best) const {
    const auto row_of = [&](int64_t i) { return int64_t{some[static_cast<size_t>(i)].row}; };
    scorer_.Score(queries_.data() + q * dimension_, static_cast<int64_t>(some.size()), row_of,
                  [&](int64_t i, float score) { best.Offer({.row = row_of(i), .score = score}); });
  }

  static bool Lower(const Candidate& a, const Candidate& b) {
    return a.upper != b.upper ? a.upper < b.upper : a.row > b.row;
  }

  // Those of all threads that can be among the best k.
  std::vector<Candidate> Remaining(int64_t q) const {
    std::vector<float> lower_bounds;
    for (const Share& share : found_) {
      const auto& found = share.candidates[static_cast<size_t>(q)].lower_bounds();
      lower_bounds.insert(lower_bounds.end(), found.begin(), found.end());
    }
    float threshold = -kInfinity;
    for (const Share& share : found_) {
      threshold = std::max(threshold, share.candidates[static_cast<size_t>(q)].floor());
    }
    if (static_cast<int64_t>(lower_bounds.size()) >= k_) {
      const auto kth = lower_bounds.begin() + (k_ - 1);
      std::nth_element(lower_bounds.begin(), kth, lower_bounds.end(), std::greater<>());
      threshold = std::max(threshold, *kth);
    }
    std::vector<Candidate> candidates;
    for (const Share& share : found_) {
      for (const Candidate& candidate : share.candidates[static_cast<size_t>(q)].kept()) {
        if (candidate.upper >= threshold) candidates.push_back(candidate);
      }
    }
    return candidates;
  }

  const RowCodes& codes_;
  const CodeKernel& kernel_;
  Similarity similarity_;
  bool l2_;
  FindHitsFunction find_hits_;
  RowScorer scorer_;
  std::span<const float> queries_, rows_;
  int64_t dimension_, k_;
  SearchScope scope_;
  std::vector<QueryCodes> encoded_;
  std::vector<int8_t> query_codes_;  // queries x head
  std::vector<Share> found_;         // one a thread
};

// Its squares stay far inside float32's range.
bool IsOrdinary(std::span<const float> query) {
  double squares = 0;
  for (const float value : query) squares += static_cast<double>(value) * value;
  const double norm = std::sqrt(squares);
  return IsOrdinaryLength(norm);
}

// Together, since a plain scan of many queries costs little more than one of a few.
void ScanTheRest(Similarity similarity, std::span<const float> queries, std::span<const float> rows,
                 int64_t dimension, int64_t k, const SearchScope& scope,
                 std::vector<int64_t>& scored, std::vector<std::vector<Neighbor>>& results) {
  std::vector<size_t> rest;
  std::vector<float> rest_queries;
  std::vector<int64_t> rest_exclude;
  for (size_t q = 0; q < scored.size(); ++q) {
    if (scored[q] != kScanned) continue;
    rest.push_back(q);
    const auto query =
        queries.subspan(q * static_cast<size_t>(dimension), static_cast<size_t>(dimension));
    rest_queries.insert(rest_queries.end(), query.begin(), query.end());
    if (!scope.exclude_rows.empty()) rest_exclude.push_back(scope.exclude_rows[q]);
  }
  if (rest.empty()) return;
  auto found = ScanExactly(similarity, rest_queries, rows, dimension, k,
                           {.exclude_rows = rest_exclude, .allowed = scope.allowed});
  for (size_t i = 0; i < rest.size(); ++i) {
    results[rest[i]] = std::move(found[i]);
    scored[rest[i]] = static_cast<int64_t>(rows.size()) / dimension;
  }
}

}  // namespace

std::vector<std::vector<Neighbor>> ScanByBounds(const RowCodes& codes, const CodeKernel& kernel,
                                                Similarity similarity,
                                                std::span<const float> queries,
                                                std::span<const float> rows, int64_t dimension,
                                                int64_t k, const SearchScope& scope,
                                                int64_t* rescored) {
  const auto width = static_cast<size_t>(dimension);
  const int64_t n = static_cast<int64_t>(queries.size() / width);
  const int64_t kept = std::min(k, codes.rows());
  if (scope.allowed != nullptr) {
    const int64_t allowed = scope.allowed->Count();
    if (allowed < std::max(k, codes.rows() / kFewAllowed)) {
      if (rescored != nullptr) *rescored += n * allowed;
      return ScanExactly(similarity, queries, rows, dimension, k, scope);
    }
  }
  for (int64_t q = 0; q < n; ++q) {
    if (!IsOrdinary(queries.subspan(static_cast<size_t>(q) * width, width))) {
      if (rescored != nullptr) *rescored += n * codes.rows();
      return ScanExactly(similarity, queries, rows, dimension, k, scope);
    }
  }
  std::vector<std::vector<Neighbor>> results(static_cast<size_t>(n));
  std::vector<int64_t> scored(static_cast<size_t>(n));
  for (int64_t begin = 0; begin < n; begin += kQueriesPerPass) {
    const int64_t count = std::min(kQueriesPerPass, n - begin);
    Pass pass(
        codes, kernel, similarity,
        queries.subspan(static_cast<size_t>(begin) * width, static_cast<size_t>(count) * width),
        rows, dimension, kept, scope.Of(begin, count));
    pass.Scan();
    pass.Finish(std::span(results).subspan(static_cast<size_t>(begin), static_cast<size_t>(count)),
                std::span(scored).subspan(static_cast<size_t>(begin), static_cast<size_t>(count)));
  }
  ScanTheRest(similarity, queries, rows, dimension, k, scope, scored, results);
  if (rescored != nullptr) *rescored += std::accumulate(scored.begin(), scored.end(), int64_t{0});
  return results;
}

}  // namespace fluke
