#include "index/approximate_index.h"

#include <faiss/Index.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexIVFPQFastScan.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/index_factory.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <new>
#include <vector>

#include "common/error.h"
#include "index/faiss_errors.h"
#include "index/faiss_files.h"

namespace fluke {
namespace {

using FaissIdx =
    decltype(faiss::Index::ntotal);  // faiss::Index::idx_t in 1.7.3, faiss::idx_t later

constexpr int64_t kAddBlockRows = 65536;
constexpr int64_t kMinTrainRows = 100'000;    // more are not sampled unless there are many clusters
constexpr int64_t kTrainRowsPerCluster = 64;  // FAISS warns below 39 and ignores those beyond 256
constexpr int kDefaultEfSearch = 64;
constexpr int kDefaultRefineFactor = 8;

faiss::MetricType FaissMetric(Similarity similarity) {
  return similarity == Similarity::kL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
}

std::unique_ptr<faiss::Index> MakeIndex(const std::string& factory, int64_t dimension,
                                        Similarity similarity) {
  return WithFaiss(absl::StatusCode::kInvalidArgument,
                   StrCat("index factory '", factory, "' for dimension ", dimension), [&] {
                     return std::unique_ptr<faiss::Index>(faiss::index_factory(
                         static_cast<int>(dimension), factory.c_str(), FaissMetric(similarity)));
                   });
}

// The index behind the transforms (PCA, OPQ ...) that a factory string may put before it.
const faiss::Index& Core(const faiss::Index& index) {
  const auto* transformed = dynamic_cast<const faiss::IndexPreTransform*>(&index);
  return transformed == nullptr ? index : Core(*transformed->index);
}

// An evenly spaced sample of the rows, enough for the index's clusters.
std::vector<float> TrainingSample(const faiss::Index& index, std::span<const float> rows,
                                  int64_t dimension, const RowsDone& done) {
  const int64_t count = static_cast<int64_t>(rows.size()) / dimension;
  int64_t wanted = kMinTrainRows;
  if (const auto* ivf = dynamic_cast<const faiss::IndexIVF*>(&Core(index))) {
    wanted = std::max(wanted, kTrainRowsPerCluster * static_cast<int64_t>(ivf->nlist));
  }
  wanted = std::min(wanted, count);
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < wanted; ++i) numbers.push_back(i * count / wanted);
  return GatherRows(rows, dimension, numbers, done);
}

// FAISS opens parallel regions even for one query; here the queries are what is spread over the
// threads.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }

 private:
  int before_;
};

// How one search call reaches the FAISS index: the index behind the transforms and the parameters
// for it.
class Plan {
 public:
  Plan(const faiss::Index& index, const SearchDefaults& defaults, int nprobe, int ef_search)
      : index_(index), core_(&Core(index)) {
    if (ef_search == 0) ef_search = defaults.ef_search;
    // More than there are rows would only cost memory.
    ef_search = static_cast<int>(std::min<int64_t>(ef_search, index.ntotal));
    if (dynamic_cast<const faiss::IndexHNSW*>(core_) != nullptr) {
      hnsw_.efSearch = ef_search;
      parameters_ = &hnsw_;
      least_count_ = ef_search;
    } else if (const auto* scan = dynamic_cast<const faiss::IndexIVFFastScan*>(core_)) {
      if (nprobe != 0 && static_cast<size_t>(nprobe) != scan->nprobe) MakeView(*scan, nprobe);
    } else if (dynamic_cast<const faiss::IndexIVF*>(core_) != nullptr) {
      ivf_.nprobe = static_cast<size_t>(nprobe == 0 ? std::max(1, defaults.nprobe) : nprobe);
      parameters_ = &ivf_;
    }
  }

  // query: dimension; rows: count.
  void Search(const float* query, int64_t count, int64_t* rows) const {
    // FAISS 1.7.3 sizes HNSW's candidate list by the index's field, whatever the parameters say,
    // but never below the number of results; so that many are asked for.
    const int64_t asked = std::max(count, least_count_);
    std::vector<float> scores(static_cast<size_t>(asked));
    std::vector<FaissIdx> labels(static_cast<size_t>(asked), -1);
    std::vector<std::unique_ptr<const float[]>> transformed;
    const float* x = query;
    for (const faiss::Index* index = &index_;;) {
      const auto* chain = dynamic_cast<const faiss::IndexPreTransform*>(index);
      if (chain == nullptr) break;
      const float* next = chain->apply_chain(1, x);
      if (next != x) transformed.emplace_back(next);
      x = next;
      index = chain->index;
    }
    core_->search(1, x, asked, scores.data(), labels.data(), parameters_);
    std::copy_n(labels.begin(), count, rows);
  }

 private:
  // FAISS 1.7.3's fast-scan lists take no search parameters, only a field. The shared index is left
  // alone: this call gets a copy of its small parts that borrows the lists.
  void MakeView(const faiss::IndexIVFFastScan& scan, int nprobe) {
    const auto* pq = dynamic_cast<const faiss::IndexIVFPQFastScan*>(&scan);
    if (pq == nullptr) {
      InvalidArgument("nprobe cannot be chosen for this kind of fast-scan index; it is ",
                      scan.nprobe);
    }
    view_ = std::make_unique<faiss::IndexIVFPQFastScan>(*pq);
    view_->own_fields = false;
    view_->own_invlists = false;
    view_->nprobe = std::min(static_cast<size_t>(nprobe), scan.nlist);
    core_ = view_.get();
  }

  const faiss::Index& index_;
  const faiss::Index* core_;
  faiss::SearchParametersIVF ivf_;
  faiss::SearchParametersHNSW hnsw_;
  const faiss::SearchParameters* parameters_ = nullptr;
  int64_t least_count_ = 1;
  std::unique_ptr<faiss::IndexIVFPQFastScan> view_;
};

}  // namespace

void CheckFactory(std::string_view factory, int64_t dimension, Similarity similarity) {
  const FactoryParts parts = ParseFactory(factory);
  if (!parts.exact() && !parts.codes) MakeIndex(parts.base, dimension, similarity);
}

bool LearnsFromVectors(std::string_view factory, int64_t dimension, Similarity similarity) {
  const FactoryParts parts = ParseFactory(factory);
  return !parts.exact() && !parts.codes &&
         !MakeIndex(parts.base, dimension, similarity)->is_trained;
}

ApproximateIndex::ApproximateIndex(std::string_view factory, Similarity similarity,
                                   int64_t dimension, std::span<const float> rows,
                                   const RowsDone& done)
    : dimension_(dimension), index_(MakeIndex(ParseFactory(factory).base, dimension, similarity)) {
  const int64_t count = static_cast<int64_t>(rows.size()) / dimension;
  WithFaiss(absl::StatusCode::kInvalidArgument,
            StrCat("cannot build the index '", factory, "' from ", count, " vectors"), [&] {
              if (!index_->is_trained) {
                const std::vector<float> sample = TrainingSample(*index_, rows, dimension, done);
                index_->train(static_cast<int64_t>(sample.size()) / dimension, sample.data());
              }
              AddInBlocks(rows, done);
            });
}

ApproximateIndex::ApproximateIndex(std::string_view bytes, int64_t dimension, int64_t size,
                                   const SearchDefaults& defaults, const std::string& name)
    : dimension_(dimension), defaults_(defaults), index_(ReadFaissIndex(bytes, name)) {
  if (index_->d != dimension || index_->ntotal != size) {
    DataLoss(name, ": damaged: ", index_->ntotal, " vectors of dimension ", index_->d,
             ", expected ", size, " of ", dimension);
  }
  // The only place where a field is set: before the index is shared (see Plan::MakeView).
  const auto* ivf = dynamic_cast<const faiss::IndexIVF*>(&Core(*index_));
  if (ivf != nullptr && defaults.nprobe > 0) {
    const_cast<faiss::IndexIVF*>(ivf)->nprobe = static_cast<size_t>(defaults.nprobe);
  }
}

ApproximateIndex::~ApproximateIndex() = default;

void ApproximateIndex::Clear() {
  WithFaiss(absl::StatusCode::kUnimplemented, "cannot empty the FAISS index",
            [&] { index_->reset(); });
}

void ApproximateIndex::AddRest(std::span<const float> rows, const RowsDone& done) {
  WithFaiss(absl::StatusCode::kUnimplemented, "cannot add to the FAISS index",
            [&] { AddInBlocks(rows, done); });
}

void ApproximateIndex::AddInBlocks(std::span<const float> rows, const RowsDone& done) {
  const int64_t count = static_cast<int64_t>(rows.size()) / dimension_;
  for (int64_t begin = index_->ntotal, end; begin < count; begin = end) {
    end = std::min(begin + kAddBlockRows, count);
    index_->add(end - begin, rows.data() + begin * dimension_);
    done(begin, end);
  }
}

void ApproximateIndex::Write(const std::filesystem::path& path) const {
  WriteFaissIndex(*index_, path);
}

int64_t ApproximateIndex::size() const { return index_->ntotal; }

SearchDefaults ApproximateIndex::SuggestDefaults(bool refined) const {
  SearchDefaults defaults;
  if (const auto* ivf = dynamic_cast<const faiss::IndexIVF*>(&Core(*index_))) {
    // A sixteenth of the lists, and at least 8: about .9 recall or more on clustered embeddings,
    // where FAISS's own default of one list gives about half of that.
    const int lists = static_cast<int>(ivf->nlist);
    defaults.nprobe = std::min(lists, std::max(8, lists / 16));
  }
  if (dynamic_cast<const faiss::IndexHNSW*>(&Core(*index_)) != nullptr) {
    defaults.ef_search = kDefaultEfSearch;
  }
  if (refined) defaults.refine_factor = kDefaultRefineFactor;
  return defaults;
}

int ApproximateIndex::MostProbes() const {
  const auto* ivf = dynamic_cast<const faiss::IndexIVF*>(&Core(*index_));
  return ivf == nullptr ? 0 : static_cast<int>(ivf->nlist);
}

int ApproximateIndex::ScaledProbes(int nprobe, double factor) const {
  const faiss::Index* core = &Core(*index_);
  const bool fast_scan = dynamic_cast<const faiss::IndexIVFFastScan*>(core) != nullptr;
  if (fast_scan && dynamic_cast<const faiss::IndexIVFPQFastScan*>(core) == nullptr) return nprobe;
  const double from = nprobe > 0 ? nprobe : defaults_.nprobe;
  return static_cast<int>(std::min<double>(MostProbes(), std::ceil(from * factor)));
}

void ApproximateIndex::CheckParameters(int nprobe, int ef_search) const {
  const faiss::Index* core = &Core(*index_);
  if (nprobe < 0 || ef_search < 0) {
    InvalidArgument("nprobe ", nprobe, " and ef_search ", ef_search, ": expected 0 or more");
  }
  if (nprobe > 0 && dynamic_cast<const faiss::IndexIVF*>(core) == nullptr) {
    InvalidArgument("nprobe is a parameter of IVF indexes only");
  }
  if (ef_search > 0 && dynamic_cast<const faiss::IndexHNSW*>(core) == nullptr) {
    InvalidArgument("ef_search is a parameter of HNSW indexes only");
  }
}

void ApproximateIndex::FindCandidates(std::span<const float> queries, int64_t count, int nprobe,
                                      int ef_search, std::span<int64_t> rows) const {
  const int64_t n = static_cast<int64_t>(queries.size()) / dimension_;
  const Plan plan(*index_, defaults_, nprobe, ef_search);
  std::exception_ptr failure;  // an exception must not leave a parallel region
  const int threads = static_cast<int>(std::min<int64_t>(n, omp_get_max_threads()));
  const auto search = [&](int64_t q) {
    try {
      const OneThread one_thread;
      plan.Search(queries.data() + q * dimension_, count, rows.data() + q * count);
    } catch (...) {
#pragma omp critical(fluke_approximate_index)
      failure = std::current_exception();
    }
  };
  if (threads <= 1) {
    for (int64_t q = 0; q < n; ++q) search(q);
  } else {
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t q = 0; q < n; ++q) search(q);
  }
  if (failure) {
    WithFaiss(absl::StatusCode::kInternal, "FAISS search",
              [&] { std::rethrow_exception(failure); });
  }
}

}  // namespace fluke
