#include "index/local/descriptor_index.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/impl/IDSelector.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "common/error.h"
#include "common/random.h"
#include "index/faiss_errors.h"
#include "index/faiss_files.h"

namespace fluke {
namespace {

using FaissIdx = decltype(faiss::Index::ntotal);

constexpr int64_t kBlockRows = 65536;
constexpr int64_t kMostLists = 65536;
constexpr int64_t kTrainRowsPerList = 40;  // FAISS warns below 39
constexpr int kTrainIterations = 10;
// Beyond what a longer list costs: a query is compared with every centroid first.
constexpr double kListsPerRootRow = 2;

std::vector<float> AsFloats(std::span<const uint8_t> codes) { return {codes.begin(), codes.end()}; }

int64_t RowsOf(std::span<const uint8_t> codes) {
  if (codes.size() % kDescriptorBytes != 0) {
    InvalidArgument(codes.size(), " bytes of descriptors; expected a multiple of ",
                    kDescriptorBytes);
  }
  return static_cast<int64_t>(codes.size() / kDescriptorBytes);
}

// 0: none.
int64_t ListsFor(int64_t rows) {
  if (rows <= kExactDescriptors) return 0;
  const double lists = kListsPerRootRow * std::sqrt(static_cast<double>(rows));
  return std::min(kMostLists, static_cast<int64_t>(lists));
}

std::unique_ptr<faiss::Index> MakeLists(std::span<const uint8_t> codes, int64_t rows) {
  const int64_t lists = ListsFor(rows);
  auto quantizer = std::make_unique<faiss::IndexFlatL2>(kDescriptorBytes);
  auto index = std::make_unique<faiss::IndexIVFScalarQuantizer>(
      quantizer.get(), kDescriptorBytes, static_cast<size_t>(lists),
      faiss::ScalarQuantizer::QT_8bit_direct, faiss::METRIC_L2, /*encode_residual=*/false);
  quantizer.release();
  index->own_fields = true;
  index->cp.niter = kTrainIterations;
  index->cp.max_points_per_centroid = static_cast<int>(kTrainRowsPerList);

  // Key points of a photograph stand together, so that an even step would favour some.
  Random random(RandomKey({static_cast<uint64_t>(rows)}));
  const int64_t wanted = std::min(rows, lists * kTrainRowsPerList);
  std::vector<float> sample;
  sample.reserve(static_cast<size_t>(wanted * kDescriptorBytes));
  for (int64_t i = 0; i < wanted; ++i) {
    const int64_t first = i * rows / wanted, next = (i + 1) * rows / wanted;
    const auto row = static_cast<size_t>(
        first + static_cast<int64_t>(random.Below(static_cast<uint64_t>(next - first))));
    const auto code = codes.subspan(row * kDescriptorBytes, kDescriptorBytes);
    sample.insert(sample.end(), code.begin(), code.end());
  }
  index->train(wanted, sample.data());
  return index;
}

std::unique_ptr<faiss::Index> MakeExact() {
  auto index = std::make_unique<faiss::IndexScalarQuantizer>(
      kDescriptorBytes, faiss::ScalarQuantizer::QT_8bit_direct, faiss::METRIC_L2);
  index->is_trained = true;
  return index;
}

const faiss::IndexIVF* Lists(const faiss::Index& index) {
  return dynamic_cast<const faiss::IndexIVF*>(&index);
}

// The rows outside of some ranges, which come ascending.
class OutsideOf final : public faiss::IDSelector {
 public:
  explicit OutsideOf(std::span<const DescriptorRange> ranges) : ranges_(ranges) {}
  bool is_member(FaissIdx id) const override {
    const auto next = std::upper_bound(
        ranges_.begin(), ranges_.end(), id,
        [](FaissIdx row, const DescriptorRange& range) { return row < range.begin; });
    return next == ranges_.begin() || std::prev(next)->end <= id;
  }

 private:
  std::span<const DescriptorRange> ranges_;
};

}  // namespace

uint64_t DescriptorMemoryBytes(int64_t count) {
  const auto rows = static_cast<uint64_t>(count), lists = static_cast<uint64_t>(ListsFor(count));
  const uint64_t row_bytes = kDescriptorBytes + (lists == 0 ? 0 : sizeof(FaissIdx));
  return rows * row_bytes + lists * kDescriptorBytes * sizeof(float);
}

DescriptorIndex::DescriptorIndex(std::span<const uint8_t> codes) {
  const int64_t rows = RowsOf(codes);
  WithFaiss(absl::StatusCode::kInternal, StrCat("cannot index ", rows, " descriptors"),
            [&] { index_ = ListsFor(rows) == 0 ? MakeExact() : MakeLists(codes, rows); });
  Add(codes);
}

void DescriptorIndex::Add(std::span<const uint8_t> codes) {
  const int64_t rows = RowsOf(codes);
  WithFaiss(absl::StatusCode::kInternal, StrCat("cannot index ", rows, " descriptors"), [&] {
    for (int64_t begin = 0; begin < rows; begin += kBlockRows) {
      const int64_t count = std::min(kBlockRows, rows - begin);
      const std::vector<float> block =
          AsFloats(codes.subspan(static_cast<size_t>(begin * kDescriptorBytes),
                                 static_cast<size_t>(count * kDescriptorBytes)));
      index_->add(count, block.data());
    }
  });
}

DescriptorIndex::DescriptorIndex(std::string_view bytes, int64_t size, const std::string& name)
    : index_(ReadFaissIndex(bytes, name)) {
  if (index_->d != kDescriptorBytes || index_->ntotal != size ||
      index_->metric_type != faiss::METRIC_L2) {
    DataLoss(name, ": damaged: ", index_->ntotal, " vectors of dimension ", index_->d,
             ", expected ", size, " of ", kDescriptorBytes);
  }
}

DescriptorIndex::~DescriptorIndex() = default;

void DescriptorIndex::Write(const std::filesystem::path& path) const {
  WriteFaissIndex(*index_, path);
}

int64_t DescriptorIndex::size() const { return index_->ntotal; }

int64_t DescriptorIndex::lists() const {
  const faiss::IndexIVF* lists = Lists(*index_);
  return lists == nullptr ? 0 : static_cast<int64_t>(lists->nlist);
}

NearDescriptors DescriptorIndex::Search(std::span<const uint8_t> queries, int64_t k,
                                        std::span<const DescriptorRange> left_out,
                                        int nprobe) const {
  const int64_t n = RowsOf(queries);
  if (k < 1) InvalidArgument("k is ", k, "; expected 1 or more descriptors");
  NearDescriptors near{.k = k,
                       .rows = std::vector<int64_t>(static_cast<size_t>(n * k), -1),
                       .distances = std::vector<float>(static_cast<size_t>(n * k),
                                                       std::numeric_limits<float>::infinity())};
  if (n == 0 || size() == 0) return near;
  const std::vector<float> values = AsFloats(queries);
  OutsideOf others(left_out);
  faiss::SearchParametersIVF ivf;
  faiss::SearchParameters exact;
  ivf.nprobe = static_cast<size_t>(nprobe > 0 ? nprobe : kDefaultProbes);
  faiss::SearchParameters& parameters = lists() > 0 ? ivf : exact;
  if (!left_out.empty()) parameters.sel = &others;
  WithFaiss(absl::StatusCode::kInternal, "cannot search descriptors", [&] {
    index_->search(n, values.data(), k, near.distances.data(), near.rows.data(), &parameters);
  });
  constexpr float kUnit = 1 / (kDescriptorScale * kDescriptorScale);
  for (size_t i = 0; i < near.rows.size(); ++i) {
    near.distances[i] =
        near.rows[i] < 0 ? std::numeric_limits<float>::infinity() : near.distances[i] * kUnit;
  }
  return near;
}

}  // namespace fluke
