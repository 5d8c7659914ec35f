#include "index/flat_search.h"

#include <unistd.h>

#include "common/error.h"
#include "index/bounded_scan.h"
#include "index/exact_scan.h"
#include "index/row_codes_writer.h"

namespace fluke {
namespace {

// Below so many times k rows, bounds rule out too few.
constexpr int64_t kFewRows = 64;

}  // namespace

FlatSearch::FlatSearch(std::span<const float> rows, int64_t dimension,
                       const std::filesystem::path& scratch)
    : rows_(rows), dimension_(dimension) {
  if (dimension < 1 || static_cast<int64_t>(rows.size()) % dimension != 0) {
    InvalidArgument(rows.size(), " values are no rows of ", dimension);
  }
  const std::filesystem::path path = scratch / StrCat(".fluke_codes.", getpid());
  if (!WriteRowCodes(path, Similarity::kCosine, rows, dimension)) return;
  MappedFile file(path);
  std::filesystem::remove(path);  // the map keeps it
  codes_.emplace(std::move(file), Similarity::kCosine,
                 static_cast<int64_t>(rows.size()) / dimension, dimension, path.string());
}

std::vector<std::vector<Neighbor>> FlatSearch::Search(std::span<const float> queries,
                                                      int64_t k) const {
  if (codes_ && k * kFewRows < codes_->rows()) {
    return ScanByBounds(*codes_, BestCodeKernel(), Similarity::kCosine, queries, rows_, dimension_,
                        k);
  }
  return ScanExactly(Similarity::kCosine, queries, rows_, dimension_, k);
}

}  // namespace fluke
