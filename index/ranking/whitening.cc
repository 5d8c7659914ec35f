#include "index/ranking/whitening.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/files.h"
#include "common/npy.h"
#include "index/principal_directions.h"
#include "index/ranking/gallery.h"
#include "index/row_pass.h"

// LAPACK, column-major: eigenvalues, ascending, and eigenvectors of a symmetric matrix.
extern "C" void dsyevd_(const char* jobz, const char* uplo, const int* n, double* a, const int* lda,
                        double* w, double* work, const int* lwork, int* iwork, const int* liwork,
                        int* info);

namespace fluke::ranking {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSampleRows = 65536;
// Of the greatest variance: what is below is float32's rounding.
constexpr double kLeastVariance = 1e-10;

struct Eigen {
  std::vector<double> values;   // ascending
  std::vector<double> vectors;  // n x n, a row each
};

Eigen SymmetricEigen(std::vector<double> matrix, int64_t n) {
  Eigen eigen{.values = std::vector<double>(static_cast<size_t>(n)), .vectors = {}};
  const int size = static_cast<int>(n);
  int info = 0, work_size = -1, iwork_size = -1, iwork_wanted = 0;
  double work_wanted = 0;
  dsyevd_("V", "U", &size, matrix.data(), &size, eigen.values.data(), &work_wanted, &work_size,
          &iwork_wanted, &iwork_size, &info);
  work_size = static_cast<int>(work_wanted);
  iwork_size = iwork_wanted;
  std::vector<double> work(static_cast<size_t>(work_size));
  std::vector<int> iwork(static_cast<size_t>(iwork_size));
  dsyevd_("V", "U", &size, matrix.data(), &size, eigen.values.data(), work.data(), &work_size,
          iwork.data(), &iwork_size, &info);
  if (info != 0) Throw(absl::StatusCode::kInternal, "LAPACK's dsyevd failed with ", info);
  eigen.vectors = std::move(matrix);
  return eigen;
}

// Of `count` rows.
std::vector<double> Covariance(const std::vector<double>& centred, int64_t count,
                               int64_t dimension) {
  // Rows of the transpose, so that a direction's values stand together.
  std::vector<double> columns(centred.size());
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t j = 0; j < dimension; ++j) {
      columns[static_cast<size_t>(j * count + i)] = centred[static_cast<size_t>(i * dimension + j)];
    }
  }
  std::vector<double> covariance(static_cast<size_t>(dimension * dimension));
  MultiplyTransposed(columns.data(), columns.data(), dimension, dimension, count, count,
                     covariance.data());
  for (double& value : covariance) value /= static_cast<double>(count);
  return covariance;
}

}  // namespace

WhiteningBasis LearnWhitening(std::span<const float> vectors, int64_t dimension) {
  const int64_t total = static_cast<int64_t>(vectors.size()) / dimension;
  if (total < 2)
    InvalidArgument("whitening is learned from two vectors or more, there are ", total);
  const std::vector<float> sample =
      GatherRows(vectors, dimension, SampleRows(total, kSampleRows), KeepRows);
  const int64_t n = static_cast<int64_t>(sample.size()) / dimension;
  std::vector<double> mean(static_cast<size_t>(dimension));
  for (size_t i = 0; i < sample.size(); ++i) mean[i % mean.size()] += sample[i];
  for (double& value : mean) value /= static_cast<double>(n);
  std::vector<double> centred(sample.begin(), sample.end());
  for (size_t i = 0; i < centred.size(); ++i) centred[i] -= mean[i % mean.size()];
  const Eigen eigen = SymmetricEigen(Covariance(centred, n, dimension), dimension);

  WhiteningBasis basis;
  basis.dimension = dimension;
  basis.mean.assign(mean.begin(), mean.end());
  const double greatest = eigen.values.back();
  if (!(greatest > 0)) InvalidArgument("all vectors are the same: there is nothing to whiten");
  for (int64_t i = dimension - 1; i >= 0; --i) {
    const double variance = eigen.values[static_cast<size_t>(i)];
    if (variance < kLeastVariance * greatest) break;
    const auto direction = eigen.vectors.begin() + i * dimension;
    basis.directions.insert(basis.directions.end(), direction, direction + dimension);
    basis.variances.push_back(static_cast<float>(variance));
  }
  return basis;
}

void WriteWhitening(const WhiteningBasis& basis, const fs::path& folder) {
  AtomicFolder out(folder);
  const auto count = static_cast<int64_t>(basis.variances.size());
  WriteNpy(out.path() / "mean.npy", 1, basis.dimension, basis.mean);
  WriteNpy(out.path() / "directions.npy", count, basis.dimension, basis.directions);
  WriteNpy(out.path() / "variances.npy", 1, count, basis.variances);
  const nlohmann::json json = {{"fingerprint", basis.fingerprint}, {"dimension", basis.dimension}};
  WriteFileAtomically(out.path() / "whitening.json", json.dump() + "\n");
  out.Commit();
}

WhiteningBasis ReadWhitening(const fs::path& folder) {
  if (!fs::exists(folder / "whitening.json")) {
    NotFound(folder.string(), ": no whitening there (whitening.json is missing)");
  }
  WhiteningBasis basis;
  const Matrix mean = ReadNpy(folder / "mean.npy");
  const Matrix directions = ReadNpy(folder / "directions.npy");
  const Matrix variances = ReadNpy(folder / "variances.npy");
  const auto json = nlohmann::json::parse(ReadFile(folder / "whitening.json"), nullptr, false);
  const auto count = static_cast<int64_t>(variances.values.size());
  if (directions.rows != count || directions.cols != static_cast<int64_t>(mean.values.size()) ||
      count == 0) {
    DataLoss(folder.string(), ": ", directions.rows, " directions of ", directions.cols,
             " values do not go with ", count, " variances and a mean of ", mean.values.size());
  }
  for (const Matrix* matrix : {&mean, &directions, &variances}) {
    if (!std::ranges::all_of(matrix->values, [](float v) { return std::isfinite(v); })) {
      DataLoss(folder.string(), ": holds a value that is not finite");
    }
  }
  if (!std::ranges::all_of(variances.values, [](float v) { return v > 0; })) {
    DataLoss(folder.string(), ": holds a variance that is not positive");
  }
  if (!json.is_object()) DataLoss(folder.string(), ": whitening.json is not JSON");
  basis.dimension = directions.cols;
  basis.mean = mean.values;
  basis.directions = directions.values;
  basis.variances = variances.values;
  basis.fingerprint = json.value("fingerprint", "");
  return basis;
}

void Whiten(const WhiteningBasis& basis, int64_t count, double power, std::span<const float> x,
            std::span<float> out) {
  const auto width = static_cast<size_t>(basis.dimension);
  std::vector<double> values(static_cast<size_t>(count));
  double squares = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const float* direction = basis.directions.data() + i * width;
    double along = 0;
#pragma omp simd reduction(+ : along)
    for (size_t j = 0; j < width; ++j) along += (double{x[j]} - basis.mean[j]) * direction[j];
    values[i] = along * std::pow(double{basis.variances[i]}, -power / 2);
    squares += values[i] * values[i];
  }
  const double scale = squares > 0 ? 1 / std::sqrt(squares) : 0;
  for (size_t i = 0; i < values.size(); ++i) out[i] = static_cast<float>(values[i] * scale);
}

}  // namespace fluke::ranking
