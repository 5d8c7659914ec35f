// An approximate index: any FAISS factory string. It proposes candidate rows; their scores are
// computed from the vectors themselves, by the same kernel as in the exact scan
// (reader.cc).
//
// Every query is searched alone, on one thread, and a batch over the threads: FAISS's batch paths
// go through BLAS and round differently, so that neighbours would depend on what else is in the
// batch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "index/factory.h"
#include "index/row_pass.h"
#include "index/similarity.h"
#include "index/snapshot_manifest.h"

namespace faiss {
struct Index;
}

namespace fluke {

// Throws InvalidArgument, with FAISS's reason where it has one, when there is no such index of this
// dimension.
void CheckFactory(std::string_view factory, int64_t dimension, Similarity similarity);

// Must the index see vectors before it can hold any? Lists of codes and the exact scan take what
// there is. Throws as CheckFactory.
bool LearnsFromVectors(std::string_view factory, int64_t dimension, Similarity similarity);

// Rows are numbered in the order in which they are added. Const methods are thread-safe.
class ApproximateIndex {
 public:
  // Trains on a sample of `rows` (m x dimension) and adds all of them, block by block. Beside what
  // FAISS keeps of a row, memory holds the sample. Throws InvalidArgument when
  // they are too few.
  ApproximateIndex(std::string_view factory, Similarity similarity, int64_t dimension,
                   std::span<const float> rows, const RowsDone& done = KeepRows);
  // As Write left it; `name` stands in errors. Throws DataLoss.
  ApproximateIndex(std::string_view bytes, int64_t dimension, int64_t size,
                   const SearchDefaults& defaults, const std::string& name);
  ~ApproximateIndex();
  ApproximateIndex(const ApproximateIndex&) = delete;
  ApproximateIndex& operator=(const ApproximateIndex&) = delete;

  // Keeps what was learned in training, drops the rows.
  void Clear();
  // Of all `rows`, adds those after the ones that it has.
  void AddRest(std::span<const float> rows, const RowsDone& done = KeepRows);
  void Write(const std::filesystem::path& path) const;

  int64_t size() const;
  const faiss::Index& faiss() const { return *index_; }
  // What suits an index of this kind and size.
  SearchDefaults SuggestDefaults(bool refined) const;

  // IVF: all lists; other kinds: 0.
  int MostProbes() const;
  // Enough lists to find as much in `factor` times as many rows; 0 (the default) where a caller
  // cannot choose.
  int ScaledProbes(int nprobe, double factor) const;

  // Throws InvalidArgument for a parameter that this kind of index does not have.
  void CheckParameters(int nprobe, int ef_search) const;

  // queries: n x dimension, normalised. rows: n x count, best first, -1 where fewer were found.
  // nprobe, ef_search: 0 = the default.
  void FindCandidates(std::span<const float> queries, int64_t count, int nprobe, int ef_search,
                      std::span<int64_t> rows) const;

 private:
  void AddInBlocks(std::span<const float> rows, const RowsDone& done);

  int64_t dimension_;
  SearchDefaults defaults_;
  std::unique_ptr<faiss::Index> index_;
};

}  // namespace fluke
