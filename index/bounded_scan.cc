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
#include "index/score_kernels.h"

namespace fluke {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kQueriesPerPass = 256;        // bounds the memory for dots and candidates
constexpr int64_t kCandidateBytes = 256 << 20;  // for all queries of a pass
constexpr double kParallelFrom = 4e6;  // code products below which threads cost more than they gain

constexpr int kAhead = 8;  // vectors fetched before they are scored
// A plain scan is quicker than scoring this part of the rows one by one: of many queries, of few.
constexpr int64_t kPlainFrom = 12, kPlainFromAlone = 3;
constexpr size_t kFewQueries = 64;
// Fewer allowed rows than this part of all: their vectors are read sooner than everybody's codes.
constexpr int64_t kFewAllowed = 64;
constexpr int64_t kScanned = -1;  // instead of a number of rows: to be scanned plainly

struct Candidate {
  float upper;
  int64_t row;
};

// What one query looks for in one thread's share of the chunks. Bounds here leave out what all rows
// have in common (QueryCodes::constant).
class Candidates {
 public:
  Candidates(int64_t k, int64_t limit) : k_(static_cast<size_t>(k)), limit_(limit) {
    lowest_.reserve(k_);
  }

  // Rows whose upper bound is below cannot be among the best k.
  float threshold() const { return lowest_.size() < k_ ? -kInfinity : lowest_.front(); }

  // There were too many: the query must be scanned plainly.
  bool gave_up() const { return gave_up_; }

  void Offer(int64_t row, float lower, float upper) {
    if (upper < threshold()) return;
    kept_.push_back({upper, row});
    if (lowest_.size() < k_) {
      lowest_.push_back(lower);
      std::push_heap(lowest_.begin(), lowest_.end(), std::greater<>());
    } else if (lower > lowest_.front()) {
      std::pop_heap(lowest_.begin(), lowest_.end(), std::greater<>());
      lowest_.back() = lower;
      std::push_heap(lowest_.begin(), lowest_.end(), std::greater<>());
    }
    if (static_cast<int64_t>(kept_.size()) >= limit_) Thin();
  }

  const std::vector<float>& lower_bounds() const { return lowest_; }
  const std::vector<Candidate>& kept() const { return kept_; }

 private:
  void Thin() {
    const float least = threshold();
    std::erase_if(kept_, [&](const Candidate& candidate) { return candidate.upper < least; });
    gave_up_ = static_cast<int64_t>(kept_.size()) > limit_ / 2;
  }

  size_t k_;
  int64_t limit_;
  std::vector<float> lowest_;  // the k best lower bounds, the least on top
  std::vector<Candidate> kept_;
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
      share.dots.resize(static_cast<size_t>(n * kCodeChunkRows));
      share.hits = std::make_unique<CodeHits>();
    }
  }

  void Scan() {
    ParallelLoop(codes_.chunks(), static_cast<int>(found_.size()), [&](int64_t chunk, int thread) {
      ScanChunk(chunk, found_[static_cast<size_t>(thread)]);
    });
  }

  // The best k of a query, and to how many rows scored from their vectors; false where those are so
  // many that a plain scan is quicker.
  bool Result(int64_t q, std::vector<Neighbor>& best, int64_t& scored_rows) const {
    for (const Share& share : found_) {
      if (share.candidates[static_cast<size_t>(q)].gave_up()) return false;
    }
    std::vector<Candidate> candidates = Remaining(q);
    const int64_t plain_from = encoded_.size() < kFewQueries ? kPlainFromAlone : kPlainFrom;
    if (static_cast<int64_t>(candidates.size()) > std::max(4 * k_, codes_.rows() / plain_from)) {
      return false;
    }
    const float* query = queries_.data() + q * dimension_;
    const ScoreFunction score = BestScoreKernel().of(similarity_);
    const double constant = encoded_[static_cast<size_t>(q)].constant;
    BestK heap(k_);
    // By falling upper bound, some at a time so that their vectors are on the way.
    std::make_heap(candidates.begin(), candidates.end(), Lower);
    for (auto end = candidates.end(); end != candidates.begin();) {
      auto next = end;
      for (int i = 0; i < kAhead && next != candidates.begin(); ++i) {
        std::pop_heap(candidates.begin(), next, Lower);
        FetchVector(rows_.data() + (--next)->row * dimension_, dimension_);
      }
      while (end != next) {
        const Candidate& candidate = *--end;
        // Upper bounds here hold their slack; the sum in double precision adds none.
        if (candidate.upper + constant < heap.threshold()) {
          next = end = candidates.begin();
          break;
        }
        Neighbor scored{.row = candidate.row};
        score(query, 1, rows_.data() + candidate.row * dimension_, 1, dimension_, &scored.score);
        ++scored_rows;
        heap.Offer(scored);
      }
    }
    best = heap.kept();
    std::sort(best.begin(), best.end(), Better);
    return true;
  }

 private:
  // What one thread has found in its chunks.
  struct Share {
    std::vector<Candidates> candidates;  // one a query
    std::vector<int32_t> dots;           // queries x chunk
    std::unique_ptr<CodeHits> hits;
  };

  void ScanChunk(int64_t number, Share& share) const {
    const CodeChunk chunk = codes_.chunk(number);
    const int64_t first = number * kCodeChunkRows;
    const int64_t count = std::min(kCodeChunkRows, codes_.positions() - first);
    if (scope_.allowed != nullptr && codes_.lists() == 0 &&
        !scope_.allowed->AnyIn(first, first + count)) {
      return;
    }
    const int64_t blocks = (count + kCodeBlockRows - 1) / kCodeBlockRows;
    const auto n = static_cast<int64_t>(encoded_.size());
    kernel_.dots(chunk.codes, blocks, codes_.groups(), query_codes_.data(), n, share.dots.data());
    for (int64_t q = 0; q < n; ++q) {
      Candidates& candidates = share.candidates[static_cast<size_t>(q)];
      if (candidates.gave_up()) continue;
      const QueryCodes& query = encoded_[static_cast<size_t>(q)];
      const auto slack =
          static_cast<float>(1.0001 * (RoundingSlack(l2_, query.norm, chunk.norm, dimension_) +
                                       static_cast<double>(query.code_error) * chunk.code_norm));
      CodeHits& hits = *share.hits;
      find_hits_(chunk, query, share.dots.data() + q * blocks * kCodeBlockRows, 0, count,
                 candidates.threshold() - slack, hits);
      const int64_t excluded = scope_.excluded(q);
      for (int64_t i = 0; i < hits.count; ++i) {
        const int32_t p = hits.positions[i];
        const int64_t row = codes_.row_at(first + p);
        if (row < 0 || row == excluded || !scope_.Allows(row)) continue;
        const float upper = hits.upper[p] + slack;
        candidates.Offer(row, 2 * hits.middle[p] - upper, upper);
      }
    }
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
    if (static_cast<int64_t>(lower_bounds.size()) >= k_) {
      const auto kth = lower_bounds.begin() + (k_ - 1);
      std::nth_element(lower_bounds.begin(), kth, lower_bounds.end(), std::greater<>());
      threshold = *kth;
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
    ParallelLoop(count, omp_get_max_threads(), [&](int64_t q, int) {
      const auto i = static_cast<size_t>(begin + q);
      if (!pass.Result(q, results[i], scored[i])) scored[i] = kScanned;
    });
  }
  ScanTheRest(similarity, queries, rows, dimension, k, scope, scored, results);
  if (rescored != nullptr) *rescored += std::accumulate(scored.begin(), scored.end(), int64_t{0});
  return results;
}

}  // namespace fluke
