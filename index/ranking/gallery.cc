#include "index/ranking/gallery.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/error.h"
#include "index/exact_scan.h"
#include "index/score_kernels.h"
#include "index/search_scope.h"
#include "index/similarity.h"

namespace fluke::ranking {
namespace {

class IndexGallery : public Gallery {
 public:
  explicit IndexGallery(std::shared_ptr<const VectorIndex> index)
      : index_(std::move(index)), dimension_(index_->Describe().dimension) {}

  const VectorIndex& index() const override { return *index_; }
  int64_t dimension() const override { return dimension_; }
  std::vector<float> Queries(std::span<const float> of_index) const override {
    return {of_index.begin(), of_index.end()};
  }
  Rankings Search(std::span<const float> queries, const SearchOptions& options,
                  std::span<const int64_t> without) const override {
    const SearchOptions plain = {.k = options.k,
                                 .nprobe = options.nprobe,
                                 .ef_search = options.ef_search,
                                 .filter = options.filter};
    return index_->Search(queries, plain, without);
  }
  void CopyVector(int64_t row, int64_t /*without*/, float* out) const override {
    std::ranges::copy(index_->vector(row), out);
  }

 private:
  std::shared_ptr<const VectorIndex> index_;
  int64_t dimension_;
};

}  // namespace

std::shared_ptr<const Gallery> GalleryOf(std::shared_ptr<const VectorIndex> index) {
  const std::string metric = index->Describe().metric;
  if (metric != SimilarityName(Similarity::kCosine)) {
    InvalidArgument("the index compares by ", metric, "; ranking steps need cosine");
  }
  return std::make_shared<const IndexGallery>(std::move(index));
}

std::vector<int64_t> RowsOf(const VectorIndex& index) {
  std::vector<int64_t> rows;
  index.ForEachRow([&](int64_t row) { rows.push_back(row); });
  return rows;
}

int64_t RowLimit(const VectorIndex& index) {
  int64_t limit = 0;
  index.ForEachRow([&](int64_t row) { limit = row + 1; });
  return limit;
}

MatrixGallery::MatrixGallery(std::shared_ptr<const Gallery> before, int64_t dimension)
    : before_(std::move(before)),
      dimension_(dimension),
      present_(RowLimit(before_->index())),
      matrix_(static_cast<size_t>(present_.rows() * dimension)) {
  index().ForEachRow([&](int64_t row) { present_.Insert(row); });
}

std::span<float> MatrixGallery::row(int64_t row) {
  const auto width = static_cast<size_t>(dimension_);
  return std::span(matrix_).subspan(static_cast<size_t>(row) * width, width);
}

std::span<const float> MatrixGallery::row(int64_t row) const {
  const auto width = static_cast<size_t>(dimension_);
  return std::span(matrix_).subspan(static_cast<size_t>(row) * width, width);
}

RowSet MatrixGallery::Matching(const SearchOptions& options) const {
  if (options.filter == nullptr) return present_;
  RowSet matching(present_.rows());
  for (const int64_t row : index().NextById(options.filter, "", present_.rows())) {
    matching.Insert(row);
  }
  return matching;
}

Rankings MatrixGallery::Scan(std::span<const float> queries, int64_t k,
                             std::span<const int64_t> without, const RowSet& allowed) const {
  if (present_.rows() == 0) return Rankings(queries.size() / static_cast<size_t>(dimension_));
  return ScanExactly(Similarity::kCosine, queries, matrix_, dimension_, k,
                     {.exclude_rows = without, .allowed = &allowed});
}

Rankings MatrixGallery::Search(std::span<const float> queries, const SearchOptions& options,
                               std::span<const int64_t> without) const {
  return Scan(queries, options.k, without, Matching(options));
}

void MatrixGallery::CopyVector(int64_t row_number, int64_t /*without*/, float* out) const {
  std::ranges::copy(row(row_number), out);
}

float Cosine(const float* a, const float* b, int64_t dimension) {
  static const ScoreEachFunction kScore = BestScoreKernel().each_inner_product;
  float score = 0;
  kScore(a, &b, 1, dimension, &score);
  return score;
}

void ToUnitLength(std::span<float> vector) {
  double squares = 0;
  for (const float value : vector) squares += double{value} * value;
  if (squares == 0) return;
  const double scale = 1 / std::sqrt(squares);
  for (float& value : vector) value = static_cast<float>(value * scale);
}

}  // namespace fluke::ranking
