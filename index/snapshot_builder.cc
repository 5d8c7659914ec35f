#include "index/snapshot_builder.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/files.h"
#include "common/item.h"
#include "common/npy.h"
#include "index/approximate_index.h"
#include "index/change_log.h"
#include "index/layout.h"
#include "index/list_scan.h"
#include "index/recall_trial.h"
#include "index/row_codes.h"
#include "index/row_codes_writer.h"
#include "index/row_pass.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

constexpr size_t kWriteBlockBytes = 4 << 20;

// A FAISS index learns again (clusters, codebooks) once it holds this many times the items that it
// has learned from.
constexpr int64_t kRetrainGrowth = 2;

// Lists of codes unless told otherwise.
constexpr double kListTargetRecall = 0.95;
constexpr int kListRefineFactor = 8;
constexpr int kMostEfSearch = 1024;

// A folder that goes away again unless it was kept.
class BuildingFolder {
 public:
  explicit BuildingFolder(const fs::path& index) : path_(layout::MakeBuildingFolder(index)) {}
  ~BuildingFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  BuildingFolder(const BuildingFolder&) = delete;
  BuildingFolder& operator=(const BuildingFolder&) = delete;

  const fs::path& path() const { return path_; }

  // Durably, contents first.
  void RenameTo(const fs::path& target) {
    SyncTree(path_);
    std::error_code error;
    fs::rename(path_, target, error);
    if (error) ThrowErrno(error.value(), "cannot rename a finished snapshot to", target);
    path_.clear();
    SyncDirectory(target.parent_path());
  }

 private:
  fs::path path_;
};

void WriteItems(const Changes& changes, const ItemLines& lines, const fs::path& path) {
  AtomicFile file(path);
  std::string block = lines.Header();
  changes.ForEach([&](const Item& item, std::span<const float>) {
    block += lines.Line(item);
    if (block.size() >= kWriteBlockBytes) {
      file.Append(block);
      block.clear();
    }
  });
  file.Append(block);
  file.Commit();
}

// The outcome's vectors and items; returns how many there are.
int64_t WriteRows(const Changes& changes, int64_t dimension, const fs::path& folder) {
  NpyWriter vectors(folder / layout::kVectorsFile, dimension);
  ItemLines lines;
  int64_t count = 0;
  std::vector<float> block;
  changes.ForEach([&](const Item& item, std::span<const float> vector) {
    ++count;
    lines.Show(item);
    block.insert(block.end(), vector.begin(), vector.end());
    if (sizeof(float) * block.size() >= kWriteBlockBytes) {
      vectors.Append(block);
      block.clear();
    }
  });
  vectors.Append(block);
  vectors.Commit();
  WriteItems(changes, lines, folder / layout::kItemsFile);
  return count;
}

// Lists of about twice as many as their own number, of whole blocks at least.
int64_t ListsFor(const FactoryParts& factory, int64_t size) {
  const int64_t most = std::max<int64_t>(1, size / kCodeBlockRows);
  const auto suitable = static_cast<int64_t>(2 * std::sqrt(static_cast<double>(size)));
  return std::clamp<int64_t>(factory.lists > 0 ? factory.lists : suitable, 1, most);
}

std::vector<std::vector<int64_t>> RowsOf(const std::vector<std::vector<Neighbor>>& results) {
  std::vector<std::vector<int64_t>> rows;
  for (const auto& result : results) {
    rows.emplace_back();
    for (const Neighbor& neighbor : result) rows.back().push_back(neighbor.row);
  }
  return rows;
}

RowsDone Releasing(const MappedNpy& vectors) {
  return [&vectors](int64_t begin, int64_t end) { vectors.ReleaseRows(begin, end); };
}

// The fewest lists that reach the recall that is asked for.
SearchDefaults TuneLists(const RowCodes& codes, const MappedNpy& vectors,
                         const SnapshotManifest& manifest) {
  SearchDefaults defaults{.nprobe = 1, .refine_factor = kListRefineFactor};
  if (manifest.size < 2) return defaults;
  const RecallTrial trial(manifest.similarity, vectors.values(), manifest.dimension,
                          Releasing(vectors));
  const double target = manifest.target_recall > 0 ? manifest.target_recall : kListTargetRecall;
  defaults.nprobe = trial.SmallestSetting(
      [&](std::span<const float> queries, std::span<const int64_t> exclude_rows, int nprobe) {
        return RowsOf(
            ScanLists(codes, BestCodeKernel(), manifest.similarity, queries, vectors.values(),
                      manifest.dimension,
                      {.k = RecallTrial::kTop, .nprobe = nprobe, .refine = defaults.refine_factor},
                      {.exclude_rows = exclude_rows}));
      },
      static_cast<int>(codes.lists()), target);
  return defaults;
}

// IVF's lists or HNSW's candidates, as few as reach the recall that is asked for; other kinds have
// nothing to tune.
SearchDefaults TuneFaiss(const ApproximateIndex& index, const MappedNpy& vectors,
                         const SnapshotManifest& manifest) {
  SearchDefaults defaults = manifest.search;
  int* knob = defaults.nprobe > 0      ? &defaults.nprobe
              : defaults.ef_search > 0 ? &defaults.ef_search
                                       : nullptr;
  if (knob == nullptr || manifest.size < 2) return defaults;
  const bool ivf = defaults.nprobe > 0;
  const RecallTrial trial(manifest.similarity, vectors.values(), manifest.dimension,
                          Releasing(vectors));
  const int64_t asked = std::min(manifest.size, (RecallTrial::kTop + 1) * defaults.refine_factor);
  *knob = trial.SmallestSetting(
      [&](std::span<const float> queries, std::span<const int64_t> exclude_rows, int setting) {
        std::vector<int64_t> found(exclude_rows.size() * static_cast<size_t>(asked));
        index.FindCandidates(queries, asked, ivf ? setting : 0, ivf ? 0 : setting, found);
        std::vector<std::vector<int64_t>> results;
        for (size_t q = 0; q < exclude_rows.size(); ++q) {
          const auto first = found.begin() + static_cast<int64_t>(q) * asked;
          results.emplace_back(first, first + asked);
        }
        return results;
      },
      ivf ? index.MostProbes() : kMostEfSearch, manifest.target_recall);
  return defaults;
}

// Makes the next snapshot of an index. Refers to all that it is given.
class SnapshotBuilder {
 public:
  // `base`: null for an empty index. manifest: of the base, or what a new index shall be.
  SnapshotBuilder(const fs::path& folder, const SnapshotManifest& manifest, const Snapshot* base,
                  const Changes& changes, const OpenOptions& open)
      : folder_(folder), manifest_(manifest), base_(base), changes_(changes), open_(open) {}

  // The new live snapshot. Nothing has changed where it throws.
  std::unique_ptr<const Snapshot> Commit() const {
    const int64_t number = NextNumber();
    std::unique_ptr<const Snapshot> snapshot;
    try {
      snapshot = Publish(number);
    } catch (...) {
      // What was never acknowledged must not stay as a good snapshot to fall back to.
      if (layout::LiveNumber(folder_) != number) layout::RemoveSnapshot(folder_, number);
      throw;
    }
    RemoveOldSnapshots();
    return snapshot;
  }

 private:
  // Makes a snapshot of that number the live one.
  std::unique_ptr<const Snapshot> Publish(int64_t number) const {
    {
      BuildingFolder building(folder_);
      WriteSnapshot(building.path());
      building.RenameTo(layout::SnapshotFolder(folder_, number));
    }
    auto snapshot =
        OpenSnapshot(folder_, number, open_);  // what the disk says is what becomes live
    layout::WriteCurrent(folder_, number);
    return snapshot;
  }

  // Never one that was used, be it by a damaged snapshot.
  int64_t NextNumber() const {
    const auto numbers = layout::ListSnapshots(folder_);
    const int64_t live = base_ == nullptr ? 0 : base_->number;
    return 1 + std::max(live, numbers.empty() ? 0 : numbers.back());
  }

  void WriteSnapshot(const fs::path& building) const {
    SnapshotManifest manifest = manifest_;
    if (base_ == nullptr) manifest.log_origin = FreeSegmentNumber(folder_, NextNumber());
    manifest.size = WriteRows(changes_, manifest.dimension, building);
    manifest.trained_size = 0;
    manifest.search = {};
    if (manifest.size > 0) {
      const MappedNpy vectors(building / layout::kVectorsFile);
      WriteAids(building, vectors, manifest);
    }
    manifest.files.clear();
    for (const fs::directory_entry& entry : fs::directory_iterator(building)) {
      manifest.files[entry.path().filename().string()] = MeasureFile(entry.path());
    }
    WriteFileAtomically(building / layout::kManifestFile, SnapshotManifestToJson(manifest));
  }

  // What makes searches of these vectors quick.
  void WriteAids(const fs::path& building, const MappedNpy& vectors,
                 SnapshotManifest& manifest) const {
    const FactoryParts factory = ParseFactory(manifest.factory);
    const fs::path path = building / layout::kCodesFile;
    if (factory.exact()) {
      WriteRowCodes(path, manifest.similarity, vectors.values(), manifest.dimension,
                    {.done = Releasing(vectors)});
    } else if (factory.codes) {
      const RowCodesOptions options = {.lists = ListsFor(factory, manifest.size),
                                       .done = Releasing(vectors)};
      if (WriteRowCodes(path, manifest.similarity, vectors.values(), manifest.dimension, options)) {
        const RowCodes codes(MappedFile(path), manifest.similarity, manifest.size,
                             manifest.dimension, path.string());
        manifest.search = TuneLists(codes, vectors, manifest);
      }
    } else {
      WriteFaissIndex(building / layout::kFaissFile, factory, vectors, manifest);
    }
  }

  void WriteFaissIndex(const fs::path& path, const FactoryParts& factory, const MappedNpy& vectors,
                       SnapshotManifest& manifest) const {
    std::unique_ptr<ApproximateIndex> index = GrowBase(vectors);
    if (index != nullptr) {
      manifest.trained_size = manifest_.trained_size;
    } else {
      index = std::make_unique<ApproximateIndex>(manifest.factory, manifest.similarity,
                                                 manifest.dimension, vectors.values(),
                                                 Releasing(vectors));
      manifest.trained_size = manifest.size;
    }
    manifest.search = index->SuggestDefaults(factory.refined);
    if (manifest.target_recall > 0) manifest.search = TuneFaiss(*index, vectors, manifest);
    index->Write(path);
  }

  // The base's FAISS index holding `vectors` instead, without learning again; null where there is
  // none, where it has outgrown what it learned from, or where its kind cannot do that.
  std::unique_ptr<ApproximateIndex> GrowBase(const MappedNpy& vectors) const {
    if (base_ == nullptr || base_->candidates == nullptr) return nullptr;
    if (vectors.rows() > kRetrainGrowth * manifest_.trained_size) return nullptr;
    const fs::path path = layout::SnapshotFolder(folder_, base_->number) / layout::kFaissFile;
    const MappedFile file(path);
    CheckBytes(file, base_->manifest.files.at(layout::kFaissFile), path);
    auto index =
        std::make_unique<ApproximateIndex>(file.text(), manifest_.dimension, base_->manifest.size,
                                           base_->manifest.search, path.string());
    try {
      if (!changes_.only_appends()) index->Clear();
      index->AddRest(vectors.values(), Releasing(vectors));
    } catch (const Error& error) {
      if (error.code() == absl::StatusCode::kUnimplemented) return nullptr;
      throw;
    }
    return index;
  }

  // And what of the log only they needed.
  void RemoveOldSnapshots() const {
    auto numbers = layout::ListSnapshots(folder_);
    while (numbers.size() > static_cast<size_t>(layout::kSnapshotsKept)) {
      layout::RemoveSnapshot(folder_, numbers.front());
      numbers.erase(numbers.begin());
    }
    std::vector<LogNeed> needs;
    for (const int64_t number : numbers) {
      try {
        const SnapshotManifest kept = ReadSnapshotManifest(folder_, number);
        needs.push_back({.origin = kept.log_origin, .after = kept.log_sequence});
      } catch (const Error&) {
        return;  // what a damaged one needs is not known
      }
    }
    RemoveOldSegments(folder_, needs);
  }

  const fs::path& folder_;
  const SnapshotManifest& manifest_;
  const Snapshot* base_;
  const Changes& changes_;
  const OpenOptions& open_;
};

}  // namespace

std::unique_ptr<const Snapshot> CommitSnapshot(const fs::path& folder,
                                               const SnapshotManifest& manifest,
                                               const Snapshot* base, const Changes& changes,
                                               const OpenOptions& open) {
  return SnapshotBuilder(folder, manifest, base, changes, open).Commit();
}

}  // namespace fluke
