#include "index/recall_trial.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "index/best_k.h"
#include "index/exact_scan.h"

namespace fluke {
namespace {

constexpr int64_t kQueries = 256;
constexpr size_t kQueriesAtATime = 8;  // each touches rows far apart, which map pages around them

constexpr int64_t kBlockFloats = 1 << 24;  // scanned before pages are given back

// ScanExactly's answer, found block by block.
std::vector<std::vector<Neighbor>> ScanInBlocks(Similarity similarity,
                                                std::span<const float> queries,
                                                std::span<const float> rows, int64_t dimension,
                                                int64_t k, std::span<const int64_t> exclude_rows,
                                                const RowsDone& done) {
  const int64_t count = static_cast<int64_t>(rows.size()) / dimension;
  const int64_t block_rows = std::max<int64_t>(1, kBlockFloats / dimension);
  std::vector<std::vector<Neighbor>> best(exclude_rows.size());
  for (int64_t begin = 0, end; begin < count; begin = end) {
    end = std::min(begin + block_rows, count);
    std::vector<int64_t> exclude_here;
    for (const int64_t row : exclude_rows) {
      exclude_here.push_back(row >= begin && row < end ? row - begin : -1);
    }
    const auto found = ScanExactly(similarity, queries,
                                   rows.subspan(static_cast<size_t>(begin * dimension),
                                                static_cast<size_t>((end - begin) * dimension)),
                                   dimension, k, {.exclude_rows = exclude_here});
    for (size_t q = 0; q < best.size(); ++q) {
      for (const auto& [row, score] : found[q]) best[q].push_back({begin + row, score});
      std::sort(best[q].begin(), best[q].end(), Better);
      best[q].resize(std::min(best[q].size(), static_cast<size_t>(k)));
    }
    done(begin, end);
  }
  return best;
}

}  // namespace

RecallTrial::RecallTrial(Similarity similarity, std::span<const float> rows, int64_t dimension,
                         const RowsDone& done)
    : done_(done), rows_(static_cast<int64_t>(rows.size()) / dimension) {
  query_rows_ = SampleRows(rows_, kQueries);
  queries_ = GatherRows(rows, dimension, query_rows_, done);
  for (const auto& neighbors :
       ScanInBlocks(similarity, queries_, rows, dimension, kTop, query_rows_, done)) {
    std::vector<int64_t> found;
    for (const Neighbor& neighbor : neighbors) found.push_back(neighbor.row);
    std::sort(found.begin(), found.end());
    truth_.push_back(std::move(found));
  }
}

double RecallTrial::Recall(const Search& search, int setting) const {
  const size_t width = queries_.size() / truth_.size();
  int64_t found = 0, wanted = 0;
  for (size_t begin = 0, end; begin < truth_.size(); begin = end) {
    end = std::min(begin + kQueriesAtATime, truth_.size());
    const auto results = search(std::span(queries_).subspan(begin * width, (end - begin) * width),
                                std::span(query_rows_).subspan(begin, end - begin), setting);
    for (size_t q = begin; q < end; ++q) {
      wanted += static_cast<int64_t>(truth_[q].size());
      for (const int64_t row : results[q - begin]) {
        found += std::binary_search(truth_[q].begin(), truth_[q].end(), row) ? 1 : 0;
      }
    }
    done_(0, rows_);
  }
  return wanted == 0 ? 1 : static_cast<double>(found) / static_cast<double>(wanted);
}

int RecallTrial::SmallestSetting(const Search& search, int most, double target) const {
  for (int whole = 1; whole < most; whole *= 2) {
    for (const int setting : {whole, whole + whole / 2}) {
      if (setting < most && (whole > 1 || setting == whole) && Recall(search, setting) >= target) {
        return setting;
      }
    }
  }
  if (const double reached = Recall(search, most); reached < target) {
    spdlog::warn("the index finds {:.3f} of the true neighbours at most, {:.3f} were asked for",
                 reached, target);
  }
  return most;
}

}  // namespace fluke
