#include "index/recall_trial.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "index/exact_scan.h"
#include "index/principal_directions.h"

namespace fluke {
namespace {

constexpr int64_t kQueries = 256;

}  // namespace

RecallTrial::RecallTrial(Similarity similarity, std::span<const float> rows, int64_t dimension) {
  query_rows_ = SampleRows(static_cast<int64_t>(rows.size()) / dimension, kQueries);
  for (const int64_t row : query_rows_) {
    const auto vector =
        rows.subspan(static_cast<size_t>(row * dimension), static_cast<size_t>(dimension));
    queries_.insert(queries_.end(), vector.begin(), vector.end());
  }
  for (const auto& neighbors :
       ScanExactly(similarity, queries_, rows, dimension, kTop, {.exclude_rows = query_rows_})) {
    std::vector<int64_t> found;
    for (const Neighbor& neighbor : neighbors) found.push_back(neighbor.row);
    std::sort(found.begin(), found.end());
    truth_.push_back(std::move(found));
  }
}

double RecallTrial::Recall(const Search& search, int setting) const {
  const auto results = search(queries_, query_rows_, setting);
  int64_t found = 0, wanted = 0;
  for (size_t q = 0; q < truth_.size(); ++q) {
    wanted += static_cast<int64_t>(truth_[q].size());
    for (const int64_t row : results[q]) {
      found += std::binary_search(truth_[q].begin(), truth_[q].end(), row) ? 1 : 0;
    }
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
