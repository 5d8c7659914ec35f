// The gallery and its queries, whitened.
#include <omp.h>

#include <utility>

#include "common/error.h"
#include "index/parallel_loop.h"
#include "index/ranking/steps/factories.h"
#include "index/ranking/whitening.h"
#include "index/reader.h"

namespace fluke::ranking {
namespace {

class WhitenedGallery : public MatrixGallery {
 public:
  WhitenedGallery(std::shared_ptr<const Gallery> before, WhiteningBasis basis, int64_t dimension,
                  double power)
      : MatrixGallery(std::move(before), dimension), basis_(std::move(basis)), power_(power) {
    const std::vector<int64_t> rows = RowsOf(index());
    ParallelLoop(static_cast<int64_t>(rows.size()), omp_get_max_threads(), [&](int64_t i, int) {
      std::vector<float> vector(static_cast<size_t>(basis_.dimension));
      this->before().CopyVector(rows[i], -1, vector.data());
      Whiten(basis_, this->dimension(), power_, vector, row(rows[i]));
    });
  }

  std::vector<float> Queries(std::span<const float> of_index) const override {
    const std::vector<float> queries = before().Queries(of_index);
    const auto from = static_cast<size_t>(basis_.dimension), to = static_cast<size_t>(dimension());
    std::vector<float> whitened(queries.size() / from * to);
    for (size_t i = 0; i * from < queries.size(); ++i) {
      Whiten(basis_, dimension(), power_, std::span(queries).subspan(i * from, from),
             std::span(whitened).subspan(i * to, to));
    }
    return whitened;
  }

 private:
  WhiteningBasis basis_;
  double power_;
};

std::vector<float> VectorsOf(const Gallery& gallery) {
  std::vector<float> vectors;
  std::vector<float> vector(static_cast<size_t>(gallery.dimension()));
  gallery.index().ForEachRow([&](int64_t row) {
    gallery.CopyVector(row, -1, vector.data());
    vectors.insert(vectors.end(), vector.begin(), vector.end());
  });
  return vectors;
}

}  // namespace

GalleryPtr MakeWhitening(const v1::RankingStep& settings, GalleryPtr gallery,
                         const StepContext& context) {
  const v1::Whitening& whitening = settings.whitening();
  WhiteningBasis basis;
  if (whitening.has_file()) {
    const auto folder = context.pipeline_folder / whitening.file();
    basis = ReadWhitening(folder);
    CheckFingerprint(gallery->index().Describe(), basis.fingerprint,
                     "the whitening " + folder.string());
    if (basis.dimension != gallery->dimension()) {
      InvalidArgument(folder.string(), " is of ", basis.dimension, " dimensions, the vectors have ",
                      gallery->dimension());
    }
  } else {
    basis = LearnWhitening(VectorsOf(*gallery), gallery->dimension());
  }
  const auto most = static_cast<int64_t>(basis.variances.size());
  if (whitening.dimension() > most) {
    InvalidArgument("dimension is ", whitening.dimension(), ", the vectors vary in ", most,
                    " directions only");
  }
  const int64_t dimension = whitening.dimension() > 0 ? whitening.dimension() : most;
  return std::make_shared<const WhitenedGallery>(std::move(gallery), std::move(basis), dimension,
                                                 whitening.power());
}

}  // namespace fluke::ranking
