// Measuring what an index finds, a block of queries at a time.
#include <algorithm>

#include "common/error.h"
#include "common/metrics/retrieval.h"
#include "common/metrics/search.h"
#include "common/metrics/search_plan.h"

namespace fluke {
namespace {

constexpr int64_t kFirstDepth = 16;  // where the metrics name no depth themselves

// Takes the rows `left_out` (ascending) out of `neighbors`, whose order stays.
void TakeOut(std::span<const int64_t> left_out, std::vector<Neighbor>* neighbors) {
  if (left_out.empty()) return;
  std::erase_if(*neighbors, [&](const Neighbor& neighbor) {
    return std::binary_search(left_out.begin(), left_out.end(), neighbor.row);
  });
}

class Stream {
 public:
  Stream(const SearchLabels& labels, std::span<const std::string> names, const BlockSearch& search)
      : labels_(labels), asked_(ParseMetrics(names)), plan_(labels), search_(search) {
    for (const AskedMetric& metric : asked_) {
      first_depth_ = std::max(first_depth_, metric.depth);
      to_relevant_ |= metric.depth == 0 && !metric.row->full_ranking;
    }
    if (first_depth_ == 0) first_depth_ = kFirstDepth;
  }

  const SearchPlan& plan() const { return plan_; }

  // The values of these queries of the plan, queries x metrics.
  std::vector<double> Measure(std::span<const SearchPlan::Query> queries) {
    std::vector<double> values(queries.size() * asked_.size());
    std::vector<size_t> waiting(queries.size());
    for (size_t i = 0; i < waiting.size(); ++i) waiting[i] = i;
    int64_t depth = first_depth_;
    if (to_relevant_) {
      for (const SearchPlan::Query& query : queries) depth = std::max(depth, query.relevant);
    }
    while (!waiting.empty()) {
      waiting = MeasureTo(depth, queries, waiting, values);
      depth *= 4;
    }
    return values;
  }

 private:
  // Those of `waiting` that need more than `depth` neighbours.
  std::vector<size_t> MeasureTo(int64_t depth, std::span<const SearchPlan::Query> queries,
                                const std::vector<size_t>& waiting, std::span<double> values) {
    const auto gallery = static_cast<int64_t>(labels_.gallery.size());
    std::vector<int64_t> rows;
    std::vector<std::vector<int64_t>> left_out(waiting.size());
    int64_t most_left_out = 0;
    for (size_t w = 0; w < waiting.size(); ++w) {
      rows.push_back(queries[waiting[w]].row);
      plan_.LeftOut(rows.back(), &left_out[w]);
      most_left_out = std::max(most_left_out, static_cast<int64_t>(left_out[w].size()));
    }
    const int64_t k = std::min(gallery, depth + most_left_out);
    auto found = search_(rows, k);
    std::vector<size_t> still_waiting;
    for (size_t w = 0; w < waiting.size(); ++w) {
      TakeOut(left_out[w], &found[w]);
      if (MeasureQuery(queries[waiting[w]], found[w], values.subspan(waiting[w] * asked_.size()))) {
        continue;
      }
      if (k == gallery) {
        InvalidArgument("query row ", rows[w],
                        ": the index does not find all items of its identity; expected an exact "
                        "search of finite unit vectors");
      }
      still_waiting.push_back(waiting[w]);
    }
    return still_waiting;
  }

  bool MeasureQuery(const SearchPlan::Query& query, std::span<const Neighbor> neighbors,
                    std::span<double> values) {
    ranked_.clear();
    for (const Neighbor& neighbor : neighbors) ranked_.push_back(labels_.gallery[neighbor.row]);
    const RankedQuery ranked = {
        .identity = labels_.queries[query.row], .ranked = ranked_, .relevant = query.relevant};
    for (size_t m = 0; m < asked_.size(); ++m) {
      const std::optional<double> value = asked_[m].row->per_query(ranked, asked_[m].depth);
      if (!value) return false;
      values[m] = *value;
    }
    return true;
  }

  const SearchLabels& labels_;
  std::vector<AskedMetric> asked_;
  const SearchPlan plan_;
  const BlockSearch& search_;
  int64_t first_depth_ = 0;
  bool to_relevant_ = false;  // a metric looks at as many places as there are relevant items
  std::vector<int64_t> ranked_;
};

}  // namespace

MetricReport EvaluateStreamed(const SearchLabels& labels, std::span<const std::string> names,
                              const BlockSearch& search, const StreamOptions& options) {
  Stream stream(labels, names, search);
  const std::span<const SearchPlan::Query> queries = stream.plan().queries();
  MetricReport report;
  report.dropped_queries = stream.plan().dropped();
  report.counted.reserve(queries.size());
  report.values.reserve(queries.size() * names.size());
  for (size_t begin = 0; begin < queries.size();) {
    const size_t count =
        std::min(static_cast<size_t>(options.block_queries), queries.size() - begin);
    const auto block = queries.subspan(begin, count);
    const std::vector<double> values = stream.Measure(block);
    report.values.insert(report.values.end(), values.begin(), values.end());
    for (const SearchPlan::Query& query : block) report.counted.push_back(query.row);
    if (options.progress) options.progress(static_cast<int64_t>(count));
    begin += count;
  }
  SetMeans(names, &report);
  return report;
}

void ForEachNeighbors(const SearchLabels& labels, int64_t k, const BlockSearch& search,
                      const NeighborVisitor& visit, const StreamOptions& options) {
  const SearchPlan plan(labels);
  const auto total = static_cast<int64_t>(labels.queries.size());
  const auto gallery = static_cast<int64_t>(labels.gallery.size());
  std::vector<std::vector<int64_t>> left_out;
  for (int64_t begin = 0; begin < total; begin += options.block_queries) {
    const int64_t end = std::min(total, begin + options.block_queries);
    std::vector<int64_t> rows;
    left_out.resize(end - begin);
    int64_t most_left_out = 0;
    for (int64_t row = begin; row < end; ++row) {
      rows.push_back(row);
      plan.LeftOut(row, &left_out[row - begin]);
      most_left_out = std::max(most_left_out, static_cast<int64_t>(left_out[row - begin].size()));
    }
    auto found = search(rows, std::min(gallery, k + most_left_out));
    for (int64_t row = begin; row < end; ++row) {
      std::vector<Neighbor>& neighbors = found[row - begin];
      TakeOut(left_out[row - begin], &neighbors);
      if (static_cast<int64_t>(neighbors.size()) > k) neighbors.resize(k);
      visit(row, neighbors);
    }
    if (options.progress) options.progress(end - begin);
  }
}

}  // namespace fluke
