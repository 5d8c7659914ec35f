// Ranking every query against a gallery, only as deep as the metrics asked for need it.
#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_map>

#include "common/error.h"
#include "common/metrics.h"
#include "common/metrics_scores.h"
#include "common/parallel.h"

namespace fluke {
namespace {

constexpr int64_t kMaxQueriesAtOnce = 64;
constexpr int64_t kScoreBufferBytes = int64_t{64} << 20;
constexpr int64_t kFirstDepth = 16;  // where the metrics name no depth themselves

// A score and its row as one number that sorts as the ranking does: larger score first, then
// smaller row.
uint64_t RankKey(float score, int64_t row) {
  const auto bits = std::bit_cast<uint32_t>(score + 0.0f);  // + 0 makes -0 equal to 0
  const uint32_t ascending = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return static_cast<uint64_t>(~ascending) << 32 | static_cast<uint32_t>(row);
}

int64_t RowOf(uint64_t key) { return static_cast<uint32_t>(key); }

bool AnyAbove(const float* scores, int64_t count, float threshold) {
  int any = 0;
  for (int64_t i = 0; i < count; ++i) any |= scores[i] > threshold;
  return any != 0;
}

// Keys of the `depth` best of `scores` in no order. Reads every score once and keeps few: a row
// comes in only if it beats the worst of the best seen so far (a later row with an equal score
// ranks behind it).
void KeepBestFew(std::span<const float> scores, int64_t depth, std::vector<uint64_t>& keys) {
  constexpr int64_t kStride = 32;
  const auto n = static_cast<int64_t>(scores.size());
  const int64_t capacity = std::max<int64_t>(2 * depth, 64);
  float threshold = -INFINITY;
  keys.clear();
  for (int64_t begin = 0; begin < n; begin += kStride) {
    const int64_t end = std::min(n, begin + kStride);
    if (!AnyAbove(scores.data() + begin, end - begin, threshold)) continue;
    for (int64_t row = begin; row < end; ++row) {
      if (!(scores[row] > threshold)) continue;
      keys.push_back(RankKey(scores[row], row));
      if (static_cast<int64_t>(keys.size()) < capacity) continue;
      std::nth_element(keys.begin(), keys.begin() + (depth - 1), keys.end());
      keys.resize(depth);
      threshold = scores[RowOf(keys.back())];
    }
  }
}

// The rows of the `depth` best scores, best first, as sorted keys. depth <= number of scores.
void RankTop(std::span<const float> scores, int64_t depth, std::vector<uint64_t>& keys) {
  const auto n = static_cast<int64_t>(scores.size());
  if (depth <= n / 8) {
    KeepBestFew(scores, depth, keys);
  } else {
    keys.resize(n);
    for (int64_t row = 0; row < n; ++row) keys[row] = RankKey(scores[row], row);
  }
  if (depth < static_cast<int64_t>(keys.size())) {
    std::nth_element(keys.begin(), keys.begin() + (depth - 1), keys.end());
    keys.resize(depth);
  }
  std::sort(keys.begin(), keys.end());
}

struct SearchedQuery {
  int64_t row = 0;  // of the queries
  int64_t own_row = -1;
  int64_t relevant = 0;
};

class Evaluation {
 public:
  Evaluation(const LabelledVectors& queries, const LabelledVectors& gallery, int64_t d,
             std::span<const int64_t> own_rows, std::span<const std::string> names)
      : queries_(queries),
        gallery_(gallery),
        n_(static_cast<int64_t>(gallery.identities.size())),
        d_(d),
        asked_(ParseMetrics(names)) {
    for (const AskedMetric& metric : asked_) first_depth_ = std::max(first_depth_, metric.depth);
    if (first_depth_ == 0) first_depth_ = kFirstDepth;
    FindQueries(own_rows);
  }

  MetricReport Run() {
    const auto count = static_cast<int64_t>(searched_.size());
    values_.resize(searched_.size() * asked_.size());
    const int64_t fitting =
        kScoreBufferBytes / static_cast<int64_t>(sizeof(float)) / std::max<int64_t>(n_, 1);
    const int64_t at_once =
        std::clamp(fitting / kScoreGroup * kScoreGroup, kScoreGroup, kMaxQueriesAtOnce);
    const int threads = HardwareThreads();
    std::vector<Scratch> scratch(threads);
    ParallelFor((count + at_once - 1) / at_once, threads, [&](int64_t block, int worker) {
      EvaluateBlock(block * at_once, std::min(count, (block + 1) * at_once), scratch[worker]);
    });
    return Report();
  }

 private:
  struct Scratch {
    std::vector<float> scores;  // queries of a block x gallery
    std::vector<uint64_t> keys;
    std::vector<int64_t> ranked;
  };

  void FindQueries(std::span<const int64_t> own_rows) {
    std::unordered_map<int64_t, int64_t> gallery_count;
    for (int64_t identity : gallery_.identities) ++gallery_count[identity];
    for (size_t q = 0; q < queries_.identities.size(); ++q) {
      const int64_t identity = queries_.identities[q];
      const int64_t own = own_rows.empty() ? -1 : own_rows[q];
      const auto found = gallery_count.find(identity);
      int64_t relevant = found == gallery_count.end() ? 0 : found->second;
      if (own >= 0 && gallery_.identities[own] == identity) --relevant;
      if (identity < 0 || relevant == 0) {
        ++dropped_;
      } else {
        searched_.push_back({static_cast<int64_t>(q), own, relevant});
      }
    }
  }

  void EvaluateBlock(int64_t begin, int64_t end, Scratch& scratch) {
    std::vector<int64_t> rows;
    for (int64_t i = begin; i < end; ++i) rows.push_back(searched_[i].row);
    const std::vector<float> packed = PackQueries(queries_.vectors, d_, rows);
    const int64_t padded = (end - begin + kScoreGroup - 1) / kScoreGroup * kScoreGroup;
    scratch.scores.resize(padded * n_);
    ScoreBlock(packed, gallery_.vectors, n_, d_, scratch.scores.data());
    for (int64_t i = begin; i < end; ++i) {
      EvaluateQuery(i, std::span(scratch.scores).subspan((i - begin) * n_, n_), scratch);
    }
  }

  // Ranks as deep as the depths asked for, and deeper by steps while a metric (mrr, map@r ...)
  // cannot tell yet.
  void EvaluateQuery(int64_t i, std::span<float> scores, Scratch& scratch) {
    const SearchedQuery& query = searched_[i];
    int64_t available = n_;
    if (query.own_row >= 0) {
      scores[query.own_row] = -INFINITY;  // ranks last, and `available` stops before it
      --available;
    }
    int64_t depth = std::min(first_depth_, available);
    while (!TryDepth(i, depth, scores, scratch)) {
      if (depth == available) {  // holds every relevant item, unless scores overflowed
        InvalidArgument("query row ", query.row,
                        ": its scores are not finite; expected unit vectors");
      }
      depth = std::min(std::max(4 * depth, query.relevant), available);
    }
  }

  bool TryDepth(int64_t i, int64_t depth, std::span<const float> scores, Scratch& scratch) {
    RankTop(scores, depth, scratch.keys);
    scratch.ranked.clear();
    for (uint64_t key : scratch.keys) scratch.ranked.push_back(gallery_.identities[RowOf(key)]);
    const RankedQuery ranked = {queries_.identities[searched_[i].row], scratch.ranked,
                                searched_[i].relevant};
    for (size_t m = 0; m < asked_.size(); ++m) {
      const std::optional<double> value = asked_[m].row->per_query(ranked, asked_[m].depth);
      if (!value) return false;
      values_[i * asked_.size() + m] = *value;
    }
    return true;
  }

  // Sums in the order of the queries, so that threads do not change the rounding.
  MetricReport Report() const {
    MetricReport report;
    report.queries = static_cast<int64_t>(searched_.size());
    report.dropped_queries = dropped_;
    for (size_t m = 0; m < asked_.size(); ++m) {
      double sum = 0;
      for (size_t i = m; i < values_.size(); i += asked_.size()) sum += values_[i];
      const double mean = searched_.empty() ? 0 : sum / static_cast<double>(searched_.size());
      report.metrics.push_back({asked_[m].name, mean});
    }
    return report;
  }

  const LabelledVectors& queries_;
  const LabelledVectors& gallery_;
  int64_t n_, d_;
  std::vector<AskedMetric> asked_;
  int64_t first_depth_ = 0;
  std::vector<SearchedQuery> searched_;
  int64_t dropped_ = 0;
  std::vector<double> values_;  // searched queries x metrics
};

void CheckVectors(const LabelledVectors& labelled, int64_t d, std::string_view what) {
  const auto n = static_cast<int64_t>(labelled.identities.size());
  if (d < 1 || static_cast<int64_t>(labelled.vectors.size()) != n * d) {
    InvalidArgument(what, ": ", labelled.vectors.size(), " values are not ", n, " x ", d);
  }
  if (n > UINT32_MAX) InvalidArgument(what, ": ", n, " vectors are too many to evaluate at once");
  for (int64_t i = 0; i < n * d; ++i) {
    if (!std::isfinite(labelled.vectors[i])) {
      InvalidArgument(what, ": row ", i / d, " holds a value that is not finite");
    }
  }
}

}  // namespace

MetricReport EvaluateSearch(const LabelledVectors& queries, const LabelledVectors& gallery,
                            int64_t d, std::span<const int64_t> own_rows,
                            std::span<const std::string> names) {
  CheckVectors(queries, d, "queries");
  CheckVectors(gallery, d, "gallery");
  if (!own_rows.empty() && own_rows.size() != queries.identities.size()) {
    InvalidArgument(own_rows.size(), " own rows for ", queries.identities.size(), " queries");
  }
  for (int64_t row : own_rows) {
    if (row >= static_cast<int64_t>(gallery.identities.size())) {
      InvalidArgument("own row ", row, " of a gallery of ", gallery.identities.size());
    }
  }
  return Evaluation(queries, gallery, d, own_rows, names).Run();
}

MetricReport EvaluateLeaveOneOut(std::span<const float> embeddings, int64_t n, int64_t d,
                                 std::span<const int64_t> identities,
                                 std::span<const std::string> names) {
  if (static_cast<int64_t>(identities.size()) != n) {
    InvalidArgument(identities.size(), " identities for ", n, " embeddings");
  }
  std::vector<int64_t> own_rows(n);
  for (int64_t i = 0; i < n; ++i) own_rows[i] = i;
  const LabelledVectors all = {.vectors = embeddings, .identities = identities};
  return EvaluateSearch(all, all, d, own_rows, names);
}

}  // namespace fluke
