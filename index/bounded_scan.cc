#include "index/bounded_scan.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>

#include "index/exact_scan.h"
#include "index/parallel_loop.h"
#include "index/score_kernels.h"

namespace fluke {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kQueriesPerPass = 256;        // bounds the memory for dots and candidates
constexpr int64_t kCandidateBytes = 256 << 20;  // for all queries of a pass
constexpr double kParallelFrom = 4e6;  // code products below which threads cost more than they gain

// Queries whose squares stay far inside float32's range; others are scanned plainly.
constexpr double kMinNorm = 1e-12, kMaxNorm = 1e12;

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

// Rows of a chunk whose upper bound reaches `threshold`, by their number in the chunk; their bounds
// without the slack in `upper` and `middle`.
struct Hits {
  alignas(64) float middle[kCodeChunkRows];
  alignas(64) float upper[kCodeChunkRows];
  int32_t rows[kCodeChunkRows];
  int64_t count = 0;
};

template <bool kL2>
__attribute__((always_inline)) inline void FindHits(const CodeChunk& chunk, const QueryCodes& query,
                                                    const int32_t* dots, int64_t count,
                                                    float threshold, Hits& hits) {
  const int32_t shift = 128 * query.code_sum;
  const float scale = query.scale, head = query.head_norm, tail = query.tail_norm;
  hits.count = 0;
  for (int64_t block = 0; block < count; block += kCodeBlockRows) {
    int reaches = 0;
    for (int64_t r = block; r < block + kCodeBlockRows; ++r) {
      float middle = scale * chunk.scales[r] * static_cast<float>(dots[r] - shift);
      if (kL2) middle += chunk.offsets[r];
      const float upper = middle + head * chunk.code_errors[r] + tail * chunk.tails[r];
      hits.middle[r] = middle;
      hits.upper[r] = upper;
      reaches |= upper >= threshold ? 1 : 0;
    }
    if (reaches == 0) continue;
    for (int64_t r = block; r < std::min(block + kCodeBlockRows, count); ++r) {
      if (hits.upper[r] >= threshold) hits.rows[hits.count++] = static_cast<int32_t>(r);
    }
  }
}

using FindHitsFunction = void (*)(const CodeChunk&, const QueryCodes&, const int32_t*, int64_t,
                                  float, Hits&);

template <bool kL2>
void FindHitsPlainly(const CodeChunk& chunk, const QueryCodes& query, const int32_t* dots,
                     int64_t count, float threshold, Hits& hits) {
  FindHits<kL2>(chunk, query, dots, count, threshold, hits);
}

#if defined(__x86_64__)
template <bool kL2>
__attribute__((target("avx2,fma"))) void FindHitsAvx2(const CodeChunk& chunk,
                                                      const QueryCodes& query, const int32_t* dots,
                                                      int64_t count, float threshold, Hits& hits) {
  FindHits<kL2>(chunk, query, dots, count, threshold, hits);
}

template <bool kL2>
__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,prefer-vector-width=512"))) void
FindHitsAvx512(const CodeChunk& chunk, const QueryCodes& query, const int32_t* dots, int64_t count,
               float threshold, Hits& hits) {
  FindHits<kL2>(chunk, query, dots, count, threshold, hits);
}
#endif

template <bool kL2>
FindHitsFunction BestFindHits() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    return FindHitsAvx512<kL2>;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return FindHitsAvx2<kL2>;
#endif
  return FindHitsPlainly<kL2>;
}

// At most kQueriesPerPass queries, all of them ordinary.
class Pass {
 public:
  Pass(const RowCodes& codes, const CodeKernel& kernel, Similarity similarity,
       std::span<const float> queries, std::span<const float> rows, int64_t dimension, int64_t k,
       std::span<const int64_t> exclude_rows)
      : codes_(codes),
        kernel_(kernel),
        similarity_(similarity),
        l2_(similarity == Similarity::kL2),
        find_hits_(l2_ ? BestFindHits<true>() : BestFindHits<false>()),
        queries_(queries),
        rows_(rows),
        dimension_(dimension),
        k_(k),
        exclude_rows_(exclude_rows),
        encoded_(codes.Encode(queries, kernel.query_limit)) {
    for (const QueryCodes& query : encoded_) {
      query_codes_.insert(query_codes_.end(), query.codes.begin(), query.codes.end());
    }
    const auto n = static_cast<int64_t>(encoded_.size());
    const double work = static_cast<double>(n * codes.rows() * codes.head());
    const int64_t threads =
        work < kParallelFrom ? 1 : std::min<int64_t>(omp_get_max_threads(), codes.chunks());
    const int64_t room = kCandidateBytes / static_cast<int64_t>(sizeof(Candidate)) / n / threads;
    const int64_t limit = std::max(4 * k + 1024, std::min(room, codes.rows() / 8));
    // Buffers are there before the threads start.
    found_.resize(static_cast<size_t>(threads));
    for (Share& share : found_) {
      for (int64_t q = 0; q < n; ++q) share.candidates.emplace_back(k, limit);
      share.dots.resize(static_cast<size_t>(n * kCodeChunkRows));
      share.hits = std::make_unique<Hits>();
    }
  }

  void Scan() {
    ParallelLoop(codes_.chunks(), static_cast<int>(found_.size()), [&](int64_t chunk, int thread) {
      ScanChunk(chunk, found_[static_cast<size_t>(thread)]);
    });
  }

  // The best k of a query. scored: how many rows were scored from their vectors.
  std::vector<Neighbor> Result(int64_t q, int64_t& scored_rows) const {
    const std::span<const float> query =
        queries_.subspan(static_cast<size_t>(q * dimension_), static_cast<size_t>(dimension_));
    const bool gave_up = std::any_of(found_.begin(), found_.end(), [&](const Share& share) {
      return share.candidates[static_cast<size_t>(q)].gave_up();
    });
    if (gave_up) {
      scored_rows = codes_.rows();
      return ScanExactly(similarity_, query, rows_, dimension_, k_,
                         exclude_rows_.empty() ? exclude_rows_
                                               : exclude_rows_.subspan(static_cast<size_t>(q), 1))
          .front();
    }
    const std::vector<Candidate> candidates = BestFirst(q);
    const ScoreFunction score = BestScoreKernel().of(similarity_);
    const double constant = encoded_[static_cast<size_t>(q)].constant;
    std::vector<Neighbor> best;  // a heap, the worst on top
    for (const Candidate& candidate : candidates) {
      const auto full = static_cast<int64_t>(best.size()) == k_;
      // Upper bounds here hold their slack; the sum in double precision adds none.
      if (full && candidate.upper + constant < best.front().score) break;
      Neighbor scored{.row = candidate.row};
      score(query.data(), 1, rows_.data() + candidate.row * dimension_, 1, dimension_,
            &scored.score);
      ++scored_rows;
      if (full) {
        if (!Better(scored, best.front())) continue;
        std::pop_heap(best.begin(), best.end(), Better);
        best.back() = scored;
      } else {
        best.push_back(scored);
      }
      std::push_heap(best.begin(), best.end(), Better);
    }
    std::sort_heap(best.begin(), best.end(), Better);
    return best;
  }

 private:
  // What one thread has found in its chunks.
  struct Share {
    std::vector<Candidates> candidates;  // one a query
    std::vector<int32_t> dots;           // queries x chunk
    std::unique_ptr<Hits> hits;
  };

  void ScanChunk(int64_t number, Share& share) const {
    const CodeChunk chunk = codes_.chunk(number);
    const int64_t first = number * kCodeChunkRows;
    const int64_t count = std::min(kCodeChunkRows, codes_.rows() - first);
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
      Hits& hits = *share.hits;
      find_hits_(chunk, query, share.dots.data() + q * blocks * kCodeBlockRows, count,
                 candidates.threshold() - slack, hits);
      const int64_t excluded =
          exclude_rows_.empty() ? -1 : exclude_rows_[static_cast<size_t>(q)] - first;
      for (int64_t i = 0; i < hits.count; ++i) {
        const int32_t r = hits.rows[i];
        if (r == excluded) continue;
        const float upper = hits.upper[r] + slack;
        candidates.Offer(first + r, 2 * hits.middle[r] - upper, upper);
      }
    }
  }

  // Those of all threads that can be among the best k, by falling upper bound.
  std::vector<Candidate> BestFirst(int64_t q) const {
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
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
      return a.upper != b.upper ? a.upper > b.upper : a.row < b.row;
    });
    return candidates;
  }

  const RowCodes& codes_;
  const CodeKernel& kernel_;
  Similarity similarity_;
  bool l2_;
  FindHitsFunction find_hits_;
  std::span<const float> queries_, rows_;
  int64_t dimension_, k_;
  std::span<const int64_t> exclude_rows_;
  std::vector<QueryCodes> encoded_;
  std::vector<int8_t> query_codes_;  // queries x head
  std::vector<Share> found_;         // one a thread
};

bool IsOrdinary(std::span<const float> query) {
  double squares = 0;
  for (const float value : query) squares += static_cast<double>(value) * value;
  const double norm = std::sqrt(squares);
  return norm == 0 || (norm >= kMinNorm && norm <= kMaxNorm);
}

}  // namespace

std::vector<std::vector<Neighbor>> ScanByBounds(const RowCodes& codes, const CodeKernel& kernel,
                                                Similarity similarity,
                                                std::span<const float> queries,
                                                std::span<const float> rows, int64_t dimension,
                                                int64_t k, std::span<const int64_t> exclude_rows,
                                                int64_t* rescored) {
  const auto width = static_cast<size_t>(dimension);
  const int64_t n = static_cast<int64_t>(queries.size() / width);
  const int64_t kept = std::min(k, codes.rows());
  for (int64_t q = 0; q < n; ++q) {
    if (!IsOrdinary(queries.subspan(static_cast<size_t>(q) * width, width))) {
      if (rescored != nullptr) *rescored += n * codes.rows();
      return ScanExactly(similarity, queries, rows, dimension, k, exclude_rows);
    }
  }
  std::vector<std::vector<Neighbor>> results(static_cast<size_t>(n));
  std::vector<int64_t> scored(static_cast<size_t>(n));
  for (int64_t begin = 0; begin < n; begin += kQueriesPerPass) {
    const int64_t count = std::min(kQueriesPerPass, n - begin);
    Pass pass(
        codes, kernel, similarity,
        queries.subspan(static_cast<size_t>(begin) * width, static_cast<size_t>(count) * width),
        rows, dimension, kept,
        exclude_rows.empty()
            ? exclude_rows
            : exclude_rows.subspan(static_cast<size_t>(begin), static_cast<size_t>(count)));
    pass.Scan();
    ParallelLoop(count, omp_get_max_threads(), [&](int64_t q, int) {
      const auto i = static_cast<size_t>(begin + q);
      results[i] = pass.Result(q, scored[i]);
    });
  }
  if (rescored != nullptr) *rescored += std::accumulate(scored.begin(), scored.end(), int64_t{0});
  return results;
}

}  // namespace fluke
