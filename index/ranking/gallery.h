// What ranking steps see of an index version: its rows, with the vectors that they are compared by.
// A gallery step puts another gallery in its place, of the same rows and other vectors.
//
// Cosine only: vectors are float32 of unit length, scores are their inner products, by the kernels
// that the index itself scores with.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/vector_index.h"
#include "index/row_set.h"

namespace fluke::ranking {

using Rankings = std::vector<std::vector<Neighbor>>;

// Immutable; thread-safe.
class Gallery {
 public:
  virtual ~Gallery() = default;
  // Rows, items and identities are this index's.
  virtual const VectorIndex& index() const = 0;
  virtual int64_t dimension() const = 0;
  // n x index().dimension unit rows, as they are compared with the index's vectors -> n x
  // dimension() unit rows, as they are compared with this gallery's. A row's outcome does not
  // depend on the others.
  virtual std::vector<float> Queries(std::span<const float> of_index) const = 0;
  // queries: n x dimension(). `without`: empty, or one a query, -1 = none: that row is taken as not
  // in the gallery. Of `options` only k, filter, nprobe and ef_search count.
  virtual Rankings Search(std::span<const float> queries, const SearchOptions& options,
                          std::span<const int64_t> without) const = 0;
  // The vector of `row` as it is where `without` (-1 = none) is not in the gallery; out:
  // dimension() values.
  virtual void CopyVector(int64_t row, int64_t without, float* out) const = 0;
};

// The index's own vectors. Throws InvalidArgument unless its metric is cosine.
std::shared_ptr<const Gallery> GalleryOf(std::shared_ptr<const VectorIndex> index);

// The rows that hold an item, ascending.
std::vector<int64_t> RowsOf(const VectorIndex& index);
// One past the largest of them; 0 for none.
int64_t RowLimit(const VectorIndex& index);

// A matrix of all rows in memory: rows x dimension, rows without an item are not looked at. The
// base of galleries whose vectors a step has made.
class MatrixGallery : public Gallery {
 public:
  const VectorIndex& index() const override { return before_->index(); }
  int64_t dimension() const override { return dimension_; }
  Rankings Search(std::span<const float> queries, const SearchOptions& options,
                  std::span<const int64_t> without) const override;
  void CopyVector(int64_t row, int64_t without, float* out) const override;

 protected:
  MatrixGallery(std::shared_ptr<const Gallery> before, int64_t dimension);

  const Gallery& before() const { return *before_; }
  const RowSet& present() const { return present_; }
  std::span<float> row(int64_t row);
  std::span<const float> row(int64_t row) const;
  // Of those of `present` that match the options' filter.
  RowSet Matching(const SearchOptions& options) const;
  Rankings Scan(std::span<const float> queries, int64_t k, std::span<const int64_t> without,
                const RowSet& allowed) const;

 private:
  std::shared_ptr<const Gallery> before_;
  int64_t dimension_;
  RowSet present_;
  std::vector<float> matrix_;  // RowLimit x dimension
};

// Inner product of two unit vectors: the bits that a search gives.
float Cosine(const float* a, const float* b, int64_t dimension);

// Makes `vector` of unit length, in double precision; leaves zeros as they are.
void ToUnitLength(std::span<float> vector);

}  // namespace fluke::ranking
