#include "index/writer.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "common/error.h"
#include "common/files.h"
#include "common/npy.h"
#include "index/approximate_index.h"
#include "index/change_log.h"
#include "index/changes.h"
#include "index/folder_lock.h"
#include "index/index_version.h"
#include "index/layout.h"
#include "index/list_scan.h"
#include "index/recall_trial.h"
#include "index/row_codes.h"
#include "index/row_codes_writer.h"
#include "index/similarity.h"
#include "index/snapshot.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

constexpr size_t kWriteBlockFloats = 1 << 20;

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

// What the outcome's rows and items are; the vectors are in `folder`.
int64_t WriteRows(const Changes& changes, int64_t dimension, const fs::path& folder) {
  NpyWriter vectors(folder / layout::kVectorsFile, dimension);
  std::vector<Item> items;
  std::vector<float> block;
  changes.ForEach([&](const Item& item, std::span<const float> vector) {
    items.push_back(item);
    block.insert(block.end(), vector.begin(), vector.end());
    if (block.size() >= kWriteBlockFloats) {
      vectors.Append(block);
      block.clear();
    }
  });
  vectors.Append(block);
  vectors.Commit();
  WriteFileAtomically(folder / layout::kItemsFile, ItemsToCsv(items));
  return static_cast<int64_t>(items.size());
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

// The fewest lists that reach the recall that is asked for.
SearchDefaults TuneLists(const RowCodes& codes, std::span<const float> rows,
                         const SnapshotManifest& manifest) {
  SearchDefaults defaults{.nprobe = 1, .refine_factor = kListRefineFactor};
  if (manifest.size < 2) return defaults;
  const RecallTrial trial(manifest.similarity, rows, manifest.dimension);
  const double target = manifest.target_recall > 0 ? manifest.target_recall : kListTargetRecall;
  defaults.nprobe = trial.SmallestSetting(
      [&](std::span<const float> queries, std::span<const int64_t> exclude_rows, int nprobe) {
        return RowsOf(ScanLists(
            codes, BestCodeKernel(), manifest.similarity, queries, rows, manifest.dimension,
            {.k = RecallTrial::kTop, .nprobe = nprobe, .refine = defaults.refine_factor},
            {.exclude_rows = exclude_rows}));
      },
      static_cast<int>(codes.lists()), target);
  return defaults;
}

// IVF's lists or HNSW's candidates, as few as reach the recall that is asked for; other kinds have
// nothing to tune.
SearchDefaults TuneFaiss(const ApproximateIndex& index, std::span<const float> rows,
                         const SnapshotManifest& manifest) {
  SearchDefaults defaults = manifest.search;
  int* knob = defaults.nprobe > 0      ? &defaults.nprobe
              : defaults.ef_search > 0 ? &defaults.ef_search
                                       : nullptr;
  if (knob == nullptr || manifest.size < 2) return defaults;
  const bool ivf = defaults.nprobe > 0;
  const RecallTrial trial(manifest.similarity, rows, manifest.dimension);
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
                  const Changes& changes)
      : folder_(folder), manifest_(manifest), base_(base), changes_(changes) {}

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
    auto snapshot = OpenSnapshot(folder_, number);  // what the disk says is what becomes live
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
    if (base_ == nullptr) manifest.log_origin = NewLogOrigin(folder_, NextNumber());
    manifest.size = WriteRows(changes_, manifest.dimension, building);
    manifest.trained_size = 0;
    manifest.search = {};
    if (manifest.size > 0) {
      const MappedNpy vectors(building / layout::kVectorsFile);
      WriteAids(building, vectors.values(), manifest);
    }
    manifest.files.clear();
    for (const fs::directory_entry& entry : fs::directory_iterator(building)) {
      manifest.files[entry.path().filename().string()] = MeasureFile(entry.path());
    }
    WriteFileAtomically(building / layout::kManifestFile, SnapshotManifestToJson(manifest));
  }

  // What makes searches of these rows quick.
  void WriteAids(const fs::path& building, std::span<const float> rows,
                 SnapshotManifest& manifest) const {
    const FactoryParts factory = ParseFactory(manifest.factory);
    const fs::path codes = building / layout::kCodesFile;
    if (factory.exact()) {
      WriteRowCodes(codes, manifest.similarity, rows, manifest.dimension);
    } else if (factory.codes) {
      const RowCodesOptions options = {.lists = ListsFor(factory, manifest.size)};
      if (WriteRowCodes(codes, manifest.similarity, rows, manifest.dimension, options)) {
        const RowCodes lists(MappedFile(codes), manifest.similarity, manifest.size,
                             manifest.dimension, codes.string());
        manifest.search = TuneLists(lists, rows, manifest);
      }
    } else {
      WriteFaissIndex(building / layout::kFaissFile, factory, rows, manifest);
    }
  }

  void WriteFaissIndex(const fs::path& path, const FactoryParts& factory,
                       std::span<const float> rows, SnapshotManifest& manifest) const {
    std::unique_ptr<ApproximateIndex> index = GrowBase(rows, manifest.size);
    if (index != nullptr) {
      manifest.trained_size = manifest_.trained_size;
    } else {
      index = std::make_unique<ApproximateIndex>(manifest.factory, manifest.similarity,
                                                 manifest.dimension, rows);
      manifest.trained_size = manifest.size;
    }
    manifest.search = index->SuggestDefaults(factory.refined);
    if (manifest.target_recall > 0) manifest.search = TuneFaiss(*index, rows, manifest);
    index->Write(path);
  }

  // The base's FAISS index holding `rows` instead, without learning again; null where there is
  // none, where it has outgrown what it learned from, or where its kind cannot do that.
  std::unique_ptr<ApproximateIndex> GrowBase(std::span<const float> rows, int64_t size) const {
    if (base_ == nullptr || base_->candidates == nullptr) return nullptr;
    if (size > kRetrainGrowth * manifest_.trained_size) return nullptr;
    const fs::path path = layout::SnapshotFolder(folder_, base_->number) / layout::kFaissFile;
    const MappedFile file(path);
    CheckBytes(file.text(), base_->manifest.files.at(layout::kFaissFile), path);
    auto index =
        std::make_unique<ApproximateIndex>(file.text(), manifest_.dimension, base_->manifest.size,
                                           base_->manifest.search, path.string());
    try {
      if (!changes_.only_appends()) index->Clear();
      index->Add(rows.subspan(static_cast<size_t>(index->size() * manifest_.dimension)));
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
};

// What an overlay has changed of `base`.
void AddTo(Changes& changes, const Snapshot& base, const OverlayView& overlay) {
  RowSet gone = overlay.base_rows;
  gone.Invert();
  gone.ForEach([&](int64_t row) { changes.Remove(base.items.id(row)); });
  overlay.tail_rows.ForEach([&](int64_t row) {
    changes.Put(overlay.tail_item(row), overlay.tail_vector(row, base.manifest.dimension));
  });
}

class SnapshotWriter : public IndexWriter {
 public:
  // `base`: null for an empty index.
  SnapshotWriter(fs::path folder, FolderLock lock, SnapshotManifest manifest,
                 std::shared_ptr<const Snapshot> base)
      : folder_(std::move(folder)),
        lock_(std::move(lock)),
        manifest_(std::move(manifest)),
        base_(std::move(base)),
        changes_(base_.get(), manifest_.dimension) {}

  void Add(const std::vector<Item>& items, std::span<const float> vectors) override {
    CheckItemsToAdd(manifest_, items, vectors);
    const size_t width = static_cast<size_t>(manifest_.dimension);
    std::vector<float> vector(width);
    for (size_t i = 0; i < items.size(); ++i) {
      const auto given = vectors.subspan(i * width, width);
      std::copy(given.begin(), given.end(), vector.begin());
      Normalise(manifest_.similarity, vector);
      changes_.Put(items[i], vector);
    }
  }

  // What was logged after the base.
  void Take(const OverlayView& logged) { AddTo(changes_, *base_, logged); }

  int64_t Remove(const std::vector<std::string>& ids) override {
    return std::count_if(ids.begin(), ids.end(),
                         [&](const std::string& id) { return changes_.Remove(id); });
  }

  int64_t Commit() override {
    if (base_ != nullptr && changes_.empty()) return base_->number;
    auto snapshot = SnapshotBuilder(folder_, manifest_, base_.get(), changes_).Commit();
    manifest_ = snapshot->manifest;
    changes_ = Changes(snapshot.get(), manifest_.dimension);
    base_ = std::move(snapshot);
    return base_->number;
  }

 private:
  fs::path folder_;
  FolderLock lock_;
  SnapshotManifest manifest_;  // of the last commit; before the first, the options
  std::shared_ptr<const Snapshot> base_;
  Changes changes_;
};

SnapshotManifest ManifestFrom(const IndexOptions& options) {
  if (options.dimension < 1) {
    InvalidArgument("index dimension ", options.dimension, ", expected at least 1");
  }
  SnapshotManifest manifest;
  manifest.factory = options.factory;
  manifest.similarity = ParseSimilarity(options.metric);
  manifest.dimension = options.dimension;
  manifest.fingerprint = options.fingerprint;
  if (!(options.target_recall >= 0 && options.target_recall <= 1)) {
    InvalidArgument("target recall ", options.target_recall, ", expected a share from 0 to 1");
  }
  manifest.target_recall = options.target_recall;
  CheckFactory(options.factory, options.dimension, manifest.similarity);
  return manifest;
}

void MakeFolders(const fs::path& folder) {
  MakeFolder(folder);
  MakeFolder(layout::SnapshotsFolder(folder));
}

std::unique_ptr<IndexWriter> NewWriter(const fs::path& folder, FolderLock lock,
                                       SnapshotManifest manifest) {
  layout::RemoveLeftovers(folder, layout::LiveNumber(folder));
  return std::make_unique<SnapshotWriter>(folder, std::move(lock), std::move(manifest), nullptr);
}

}  // namespace

void CheckItemsToAdd(const SnapshotManifest& manifest, const std::vector<Item>& items,
                     std::span<const float> vectors) {
  const size_t width = static_cast<size_t>(manifest.dimension);
  if (vectors.size() != items.size() * width) {
    InvalidArgument(vectors.size(), " values for ", items.size(),
                    " items, expected the index's dimension, ", manifest.dimension, ", each");
  }
  absl::flat_hash_set<std::string_view> ids;
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string& id = items[i].id;
    if (id.empty()) InvalidArgument("item ", i, " has no id");
    if (!ids.insert(id).second) InvalidArgument("two items to add have the id '", id, "'");
    CheckMetadataNames(items[i]);
    const std::string defect = VectorDefect(manifest.similarity, vectors.subspan(i * width, width));
    if (!defect.empty()) InvalidArgument("the vector of item '", id, "': ", defect);
  }
}

std::unique_ptr<IndexWriter> CreateIndex(const fs::path& folder, const IndexOptions& options) {
  SnapshotManifest manifest = ManifestFrom(options);
  MakeFolders(folder);
  FolderLock lock(layout::LockFile(folder));
  if (layout::HoldsIndex(folder)) {
    Throw(absl::StatusCode::kAlreadyExists, "there is an index in ", folder, " already");
  }
  return NewWriter(folder, std::move(lock), std::move(manifest));
}

std::unique_ptr<IndexWriter> ReplaceIndex(const fs::path& folder, const IndexOptions& options) {
  SnapshotManifest manifest = ManifestFrom(options);
  MakeFolders(folder);
  FolderLock lock(layout::LockFile(folder));
  return NewWriter(folder, std::move(lock), std::move(manifest));
}

std::unique_ptr<IndexWriter> ContinueIndex(const fs::path& folder) {
  if (!layout::HoldsIndex(folder)) NotFound("no index in ", folder);
  FolderLock lock(layout::LockFile(folder));
  layout::RemoveLeftovers(folder, layout::LiveNumber(folder));
  const std::shared_ptr<const Snapshot> base = OpenLiveSnapshot(folder);
  SnapshotManifest manifest = base->manifest;
  const OverlayView logged = ReplayLog(folder, base);
  manifest.log_sequence = logged.sequence;
  auto writer =
      std::make_unique<SnapshotWriter>(folder, std::move(lock), std::move(manifest), base);
  writer->Take(logged);
  return writer;
}

std::shared_ptr<const Snapshot> CommitVersion(const fs::path& folder, const IndexVersion& version) {
  const Snapshot& base = version.snapshot();
  SnapshotManifest manifest = base.manifest;
  manifest.log_sequence = version.changes().sequence;
  Changes changes(&base, manifest.dimension);
  AddTo(changes, base, version.changes());
  return SnapshotBuilder(folder, manifest, &base, changes).Commit();
}

}  // namespace fluke
