#include "index/gpu_index.h"

#include <spdlog/spdlog.h>

#ifdef FLUKE_CUDA

#include <cuda_runtime_api.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/gpu/GpuCloner.h>
#include <faiss/gpu/GpuIndexFlat.h>
#include <faiss/gpu/GpuIndexIVF.h>
#include <faiss/gpu/StandardGpuResources.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <type_traits>

#include "index/faiss_errors.h"

namespace fluke {
namespace {

constexpr int64_t kMostProposed = 2048;  // FAISS's GPU half has room for no more
constexpr int64_t kBlockRows = 65536;
constexpr float kLargestFloat16 = 65504;
constexpr size_t kTableBytes = 48 << 10;  // that a block of threads can share on every GPU

// The index itself, behind what turns or reduces its vectors.
template <typename Index>
Index* CoreOf(Index* index) {
  using Chain = std::conditional_t<std::is_const_v<Index>, const faiss::IndexPreTransform,
                                   faiss::IndexPreTransform>;
  while (auto* chain = dynamic_cast<Chain*>(index)) index = chain->index;
  return index;
}

// A query's distances to the parts of long product codes have room as float16 alone.
bool NeedsFloat16Tables(const faiss::Index& index) {
  const auto* lists = dynamic_cast<const faiss::IndexIVFPQ*>(CoreOf(&index));
  return lists != nullptr && lists->pq.M * lists->pq.ksub * sizeof(float) > kTableBytes;
}

double Length(std::span<const float> vector) {
  double squares = 0;
  for (const double value : vector) squares += value * value;
  return std::sqrt(squares);
}

// Calls on one GPU wait for each other: FAISS's GPU indexes are not thread-safe.
class GpuIndex : public Proposer {
 public:
  int64_t most() const override { return kMostProposed; }

  void Propose(std::span<const float> queries, int64_t count, int nprobe, std::span<int64_t> rows,
               std::span<float> scores) const override {
    static_assert(sizeof(faiss::Index::idx_t) == sizeof(int64_t));
    WithFaiss(absl::StatusCode::kInternal, "FAISS search on the GPU", [&] {
      const std::lock_guard lock(mutex_);
      if (lists_ != nullptr) {
        lists_->setNumProbes(nprobe > 0 ? std::min(nprobe, most_probes_) : default_probes_);
      }
      index_->search(static_cast<int64_t>(queries.size()) / index_->d, queries.data(), count,
                     scores.data(), reinterpret_cast<faiss::Index::idx_t*>(rows.data()));
    });
    if (l2_) std::for_each(scores.begin(), scores.end(), [](float& score) { score = -score; });
  }

  // Of a sum of products in float32 in any order, as each side computes it (Higham, Accuracy and
  // Stability of Numerical Algorithms, 3.1), by L2 with the expansion into lengths; and of values
  // rounded to float16, the query's too.
  double ScoreError(std::span<const float> query) const override {
    const auto d = static_cast<double>(query.size());
    const double q = Length(query);
    const double size = l2_ ? (q + longest_) * (q + longest_) : q * longest_;
    double error = 2 * (d + 8) * 0x1p-24 * size;
    if (float16_) {
      error += 4 * (0x1p-11 * size + std::sqrt(d) * 0x1p-25 * (q + longest_ + 1));
    }
    return 1.001 * error;
  }

  // Flat.
  GpuIndex(Similarity similarity, std::span<const float> rows, int64_t dimension, bool float16)
      : l2_(similarity == Similarity::kL2), float16_(float16) {
    const auto count = static_cast<int64_t>(rows.size()) / dimension;
    faiss::gpu::GpuIndexFlatConfig config;
    config.useFloat16 = float16;
    index_ = std::make_unique<faiss::gpu::GpuIndexFlat>(
        &resources_, static_cast<int>(dimension),
        l2_ ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT, config);
    for (int64_t begin = 0; begin < count; begin += kBlockRows) {
      const int64_t n = std::min(kBlockRows, count - begin);
      index_->add(n, rows.data() + begin * dimension);
      for (int64_t row = begin; row < begin + n; ++row) {
        longest_ = std::max(longest_, Length(rows.subspan(static_cast<size_t>(row * dimension),
                                                          static_cast<size_t>(dimension))));
      }
    }
  }

  // Throws faiss::FaissException for a kind that is none of a GPU's.
  GpuIndex(Similarity similarity, const ApproximateIndex& candidates, bool float16)
      : l2_(similarity == Similarity::kL2),
        float16_(float16),
        default_probes_(candidates.ScaledProbes(0, 1)),
        most_probes_(std::min(candidates.MostProbes(), static_cast<int>(kMostProposed))) {
    faiss::gpu::GpuClonerOptions options;
    options.useFloat16 = float16 || NeedsFloat16Tables(candidates.faiss());
    index_.reset(faiss::gpu::index_cpu_to_gpu(&resources_, 0, &candidates.faiss(), &options));
    lists_ = dynamic_cast<faiss::gpu::GpuIndexIVF*>(CoreOf(index_.get()));
    // What FAISS cannot bring to a GPU it copies on the CPU.
    if (lists_ == nullptr) FAISS_THROW_MSG("not a kind of index for a GPU");
    default_probes_ = std::clamp(default_probes_, 1, most_probes_);
  }

 private:
  bool l2_, float16_;
  int default_probes_ = 0, most_probes_ = 0;
  double longest_ = 0;  // row
  faiss::gpu::StandardGpuResources resources_;
  std::unique_ptr<faiss::Index> index_;
  faiss::gpu::GpuIndexIVF* lists_ = nullptr;
  mutable std::mutex mutex_;
};

bool HasGpu() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

bool FitsFloat16(std::span<const float> rows) {
  return std::all_of(rows.begin(), rows.end(),
                     [](float value) { return std::abs(value) <= kLargestFloat16; });
}

}  // namespace

std::unique_ptr<const Proposer> CopyToGpu(Similarity similarity, std::span<const float> rows,
                                          int64_t dimension, const ApproximateIndex* candidates,
                                          const OpenOptions& options) {
  if (!HasGpu()) {
    spdlog::warn("device gpu: this machine has no CUDA device: searching on the CPU");
    return nullptr;
  }
  try {
    if (candidates != nullptr) {
      return std::make_unique<GpuIndex>(similarity, *candidates, options.gpu_float16);
    }
    const bool float16 = options.gpu_float16 && FitsFloat16(rows);
    if (float16 != options.gpu_float16) {
      spdlog::warn("device gpu: values beyond {}: kept in float32", kLargestFloat16);
    }
    return std::make_unique<GpuIndex>(similarity, rows, dimension, float16);
  } catch (const std::exception& error) {  // FAISS's own, or memory that was not there
    spdlog::warn("device gpu: {}: searching on the CPU", error.what());
    return nullptr;
  }
}

}  // namespace fluke

#else

namespace fluke {

std::unique_ptr<const Proposer> CopyToGpu(Similarity, std::span<const float>, int64_t,
                                          const ApproximateIndex*, const OpenOptions&) {
  spdlog::warn("device gpu: this program was built without -DFLUKE_CUDA=ON: searching on the CPU");
  return nullptr;
}

}  // namespace fluke

#endif
