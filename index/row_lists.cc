#include "index/row_lists.h"

#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>

#include <algorithm>

#include "common/error.h"
#include "index/faiss_errors.h"
#include "index/parallel_loop.h"
#include "index/row_codes_format.h"
#include "index/score_kernels.h"

namespace fluke {
namespace {

constexpr int64_t kClusterSampleRows = 64;  // to learn a list from
constexpr int kClusterIterations = 10;
constexpr int64_t kPartRows = 256;  // at a time: their distances stay in the cache

}  // namespace

std::vector<float> LearnCentroids(const RowEncoder& encoder, int64_t head, int64_t count,
                                  std::span<const float> rows, int64_t dimension,
                                  const RowsDone& done) {
  const std::vector<int64_t> sample =
      SampleRows(static_cast<int64_t>(rows.size()) / dimension,
                 std::max(kClusterSampleRows * count, int64_t{1000}));
  const auto n = static_cast<int64_t>(sample.size());
  std::vector<float> y(static_cast<size_t>(n * head));
  ParallelLoop((n + kPartRows - 1) / kPartRows, omp_get_max_threads(), [&](int64_t part, int) {
    const int64_t begin = part * kPartRows, end = std::min(begin + kPartRows, n);
    const auto numbers =
        std::span(sample).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    const ProjectedRows projected = encoder.Project(GatherRows(rows, dimension, numbers, done));
    std::copy(projected.y.begin(), projected.y.end(), y.begin() + begin * head);
  });
  faiss::ClusteringParameters parameters;
  parameters.niter = kClusterIterations;
  parameters.min_points_per_centroid = 1;
  parameters.max_points_per_centroid = static_cast<int>(kClusterSampleRows);
  faiss::Clustering clustering(static_cast<int>(head), static_cast<int>(count), parameters);
  faiss::IndexFlatL2 nearest(head);
  WithFaiss(absl::StatusCode::kInvalidArgument,
            StrCat("cannot divide the rows into ", count, " lists"),
            [&] { clustering.train(n, y.data(), nearest); });
  return std::move(clustering.centroids);
}

std::vector<uint32_t> NearestLists(std::span<const double> y, std::span<const float> centroids,
                                   int64_t head) {
  const ScoreFunction score = BestScoreKernel().negative_l2;
  const int64_t total = static_cast<int64_t>(y.size()) / head;
  const int64_t lists = static_cast<int64_t>(centroids.size()) / head;
  const std::vector<float> places(y.begin(), y.end());
  std::vector<float> scores(static_cast<size_t>(std::min(kPartRows, total) * lists));
  std::vector<uint32_t> list_of_row;
  for (int64_t begin = 0; begin < total; begin += kPartRows) {
    const int64_t n = std::min(kPartRows, total - begin);
    score(places.data() + begin * head, n, centroids.data(), lists, head, scores.data());
    for (int64_t i = 0; i < n; ++i) {
      const auto first = scores.begin() + i * lists;
      list_of_row.push_back(static_cast<uint32_t>(std::max_element(first, first + lists) - first));
    }
  }
  return list_of_row;
}

ListOrder OrderByList(std::span<const uint32_t> list_of_row, int64_t lists) {
  std::vector<int64_t> sizes(static_cast<size_t>(lists));
  for (const uint32_t list : list_of_row) ++sizes[list];
  ListOrder order;
  std::vector<int64_t> next;  // free position of each list
  int64_t blocks = 0;
  for (const int64_t size : sizes) {
    next.push_back(blocks * kCodeBlockRows);
    blocks += (size + kCodeBlockRows - 1) / kCodeBlockRows;
    order.list_ends.push_back(static_cast<uint32_t>(blocks));
  }
  order.rows.assign(static_cast<size_t>(blocks * kCodeBlockRows), kNoRow);
  for (size_t row = 0; row < list_of_row.size(); ++row) {
    order.rows[static_cast<size_t>(next[list_of_row[row]]++)] = static_cast<uint32_t>(row);
  }
  return order;
}

}  // namespace fluke
