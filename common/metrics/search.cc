// The plain scan: all scores of some queries at a time, so that ranking them deeper costs no second
// look at the vectors.
#include "common/metrics/search.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "common/error.h"
#include "common/metrics/retrieval.h"
#include "common/metrics/scores.h"
#include "common/metrics/search_plan.h"
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

class Evaluation {
 public:
  Evaluation(std::span<const float> queries, std::span<const float> gallery, int64_t d,
             const SearchLabels& labels, std::span<const std::string> names)
      : queries_(queries),
        gallery_(gallery),
        labels_(labels),
        n_(static_cast<int64_t>(labels.gallery.size())),
        d_(d),
        names_(names),
        asked_(ParseMetrics(names)),
        plan_(labels) {
    for (const AskedMetric& metric : asked_) {
      first_depth_ = std::max(first_depth_, metric.depth);
      to_relevant_ |= metric.depth == 0 && !metric.row->full_ranking;
    }
    if (first_depth_ == 0) first_depth_ = kFirstDepth;
  }

  MetricReport Run() {
    const auto count = static_cast<int64_t>(plan_.queries().size());
    values_.resize(plan_.queries().size() * asked_.size());
    const int64_t fitting =
        kScoreBufferBytes / static_cast<int64_t>(sizeof(float)) / std::max<int64_t>(n_, 1);
    const int64_t at_once =
        std::clamp(fitting / kScoreGroup * kScoreGroup, kScoreGroup, kMaxQueriesAtOnce);
    const int threads = HardwareThreads();
    std::vector<Scratch> scratch(threads);
    ParallelFor((count + at_once - 1) / at_once, threads, [&](int64_t block, int worker) {
      EvaluateBlock(block * at_once, std::min(count, (block + 1) * at_once), scratch[worker]);
    });
    MetricReport report;
    report.dropped_queries = plan_.dropped();
    for (const SearchPlan::Query& query : plan_.queries()) report.counted.push_back(query.row);
    report.values = std::move(values_);
    SetMeans(names_, &report);
    return report;
  }

 private:
  struct Scratch {
    std::vector<float> scores;  // queries of a block x gallery
    std::vector<uint64_t> keys;
    std::vector<int64_t> ranked;
    std::vector<int64_t> left_out;
  };

  void EvaluateBlock(int64_t begin, int64_t end, Scratch& scratch) {
    std::vector<int64_t> rows;
    for (int64_t i = begin; i < end; ++i) rows.push_back(plan_.queries()[i].row);
    const std::vector<float> packed = PackQueries(queries_, d_, rows);
    const int64_t padded = (end - begin + kScoreGroup - 1) / kScoreGroup * kScoreGroup;
    scratch.scores.resize(padded * n_);
    ScoreBlock(packed, gallery_, n_, d_, scratch.scores.data());
    for (int64_t i = begin; i < end; ++i) {
      EvaluateQuery(i, std::span(scratch.scores).subspan((i - begin) * n_, n_), scratch);
    }
  }

  // Ranks as deep as the depths asked for, and deeper by steps while a metric (mrr, map@r ...)
  // cannot tell yet.
  void EvaluateQuery(int64_t i, std::span<float> scores, Scratch& scratch) {
    const SearchPlan::Query& query = plan_.queries()[i];
    plan_.LeftOut(query.row, &scratch.left_out);
    // Rank last, and `available` stops before them.
    for (int64_t row : scratch.left_out) scores[row] = -INFINITY;
    const int64_t available = n_ - static_cast<int64_t>(scratch.left_out.size());
    int64_t depth = std::min(std::max(first_depth_, to_relevant_ ? query.relevant : 0), available);
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
    for (uint64_t key : scratch.keys) scratch.ranked.push_back(labels_.gallery[RowOf(key)]);
    const SearchPlan::Query& query = plan_.queries()[i];
    const RankedQuery ranked = {.identity = labels_.queries[query.row],
                                .ranked = scratch.ranked,
                                .relevant = query.relevant};
    for (size_t m = 0; m < asked_.size(); ++m) {
      const std::optional<double> value = asked_[m].row->per_query(ranked, asked_[m].depth);
      if (!value) return false;
      values_[i * asked_.size() + m] = *value;
    }
    return true;
  }

  const std::span<const float> queries_, gallery_;
  const SearchLabels& labels_;
  int64_t n_, d_;
  const std::span<const std::string> names_;
  std::vector<AskedMetric> asked_;
  const SearchPlan plan_;
  int64_t first_depth_ = 0;
  bool to_relevant_ = false;    // a metric looks at as many places as there are relevant items
  std::vector<double> values_;  // plan_.queries() x metrics
};

void CheckVectors(std::span<const float> vectors, int64_t n, int64_t d, std::string_view what) {
  if (d < 1 || static_cast<int64_t>(vectors.size()) != n * d) {
    InvalidArgument(what, ": ", vectors.size(), " values are not ", n, " x ", d);
  }
  if (n > UINT32_MAX) InvalidArgument(what, ": ", n, " vectors are too many to evaluate at once");
  for (int64_t i = 0; i < n * d; ++i) {
    if (!std::isfinite(vectors[i])) {
      InvalidArgument(what, ": row ", i / d, " holds a value that is not finite");
    }
  }
}

}  // namespace

MetricReport EvaluateSearch(std::span<const float> queries, std::span<const float> gallery,
                            int64_t d, const SearchLabels& labels,
                            std::span<const std::string> names) {
  CheckVectors(queries, static_cast<int64_t>(labels.queries.size()), d, "queries");
  CheckVectors(gallery, static_cast<int64_t>(labels.gallery.size()), d, "gallery");
  return Evaluation(queries, gallery, d, labels, names).Run();
}

MetricReport EvaluateSearch(const LabelledVectors& queries, const LabelledVectors& gallery,
                            int64_t d, std::span<const int64_t> own_rows,
                            std::span<const std::string> names) {
  const SearchLabels labels = {
      .queries = queries.identities, .gallery = gallery.identities, .own_rows = own_rows};
  return EvaluateSearch(queries.vectors, gallery.vectors, d, labels, names);
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
