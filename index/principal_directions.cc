#include "index/principal_directions.h"

#include <faiss/VectorTransform.h>

#include <algorithm>
#include <cmath>

#include "index/faiss_errors.h"

// BLAS, column-major: c = alpha op(a) op(b) + beta c.
extern "C" int dgemm_(const char* trans_a, const char* trans_b, const int* m, const int* n,
                      const int* k, const double* alpha, const double* a, const int* lda,
                      const double* b, const int* ldb, const double* beta, double* c,
                      const int* ldc);

namespace fluke {
namespace {

constexpr int64_t kSampleRows = 16384;

std::vector<double> MeanOf(std::span<const float> rows, int64_t dimension) {
  const int64_t n = static_cast<int64_t>(rows.size()) / dimension;
  std::vector<double> mean(static_cast<size_t>(dimension));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < dimension; ++j) mean[j] += rows[i * dimension + j];
  }
  for (double& value : mean) value /= static_cast<double>(n);
  return mean;
}

// Gram-Schmidt, twice: FAISS's float32 directions made orthonormal to double precision. A direction
// that vanishes (the rows span fewer dimensions) ends the list.
std::vector<double> Orthonormal(std::span<const float> directions, int64_t dimension) {
  std::vector<double> out;
  std::vector<double> v(static_cast<size_t>(dimension));
  const int64_t count = static_cast<int64_t>(directions.size()) / dimension;
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(directions.begin() + i * dimension, dimension, v.begin());
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t k = 0; k < i; ++k) {
        const double* other = out.data() + k * dimension;
        const double along = Dot(v.data(), other, dimension);
        for (int64_t j = 0; j < dimension; ++j) v[j] -= along * other[j];
      }
      const double norm = std::sqrt(Dot(v.data(), v.data(), dimension));
      if (!(norm > 1e-3)) return out;
      for (double& value : v) value /= norm;
    }
    out.insert(out.end(), v.begin(), v.end());
  }
  return out;
}

}  // namespace

PrincipalDirections LearnDirections(std::span<const float> rows, int64_t dimension, int64_t most,
                                    const RowsDone& done) {
  const int64_t total = static_cast<int64_t>(rows.size()) / dimension;
  std::vector<float> sample = GatherRows(rows, dimension, SampleRows(total, kSampleRows), done);
  const int64_t n = static_cast<int64_t>(sample.size()) / dimension;
  PrincipalDirections learned;
  learned.mean = MeanOf(sample, dimension);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < dimension; ++j) {
      float& value = sample[i * dimension + j];
      value = static_cast<float>(value - learned.mean[j]);
    }
  }
  // FAISS finds no more directions than there are rows.
  const int64_t count = std::min({most, dimension, n});
  faiss::PCAMatrix pca(static_cast<int>(dimension), static_cast<int>(count));
  WithFaiss(absl::StatusCode::kInvalidArgument, "cannot find the principal directions",
            [&] { pca.train(n, sample.data()); });
  learned.directions =
      Orthonormal(std::span(pca.A).first(static_cast<size_t>(count * dimension)), dimension);
  learned.count = static_cast<int64_t>(learned.directions.size()) / dimension;
  return learned;
}

double Dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void MultiplyTransposed(const double* a, const double* b, int64_t m, int64_t n, int64_t k,
                        int64_t width, double* out) {
  const int im = static_cast<int>(m), in = static_cast<int>(n), ik = static_cast<int>(k);
  const int iw = static_cast<int>(width);
  const double one = 1, zero = 0;
  dgemm_("T", "N", &in, &im, &ik, &one, b, &iw, a, &iw, &zero, out, &in);
}

}  // namespace fluke
