#include "index/writer.h"

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "common/error.h"
#include "common/files.h"
#include "common/npy.h"
#include "index/approximate_index.h"
#include "index/changes.h"
#include "index/folder_lock.h"
#include "index/layout.h"
#include "index/row_codes.h"
#include "index/similarity.h"
#include "index/snapshot.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

constexpr size_t kWriteBlockFloats = 1 << 20;

// A FAISS index learns again (clusters, codebooks) once it holds this many times the items that it
// has learned from.
constexpr int64_t kRetrainGrowth = 2;

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
    if (error) {
      Throw(absl::StatusCode::kInternal, "cannot rename ", path_, " to ", target, ": ",
            error.message());
    }
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

class SnapshotWriter : public IndexWriter {
 public:
  // `base`: null for an empty index.
  SnapshotWriter(fs::path folder, FolderLock lock, SnapshotManifest manifest,
                 std::unique_ptr<const Snapshot> base)
      : folder_(std::move(folder)),
        lock_(std::move(lock)),
        manifest_(std::move(manifest)),
        base_(std::move(base)),
        changes_(base_.get(), manifest_.dimension) {}

  void Add(const std::vector<Item>& items, std::span<const float> vectors) override {
    const size_t width = static_cast<size_t>(manifest_.dimension);
    if (vectors.size() != items.size() * width) {
      InvalidArgument(vectors.size(), " values for ", items.size(),
                      " items, expected the index's dimension, ", manifest_.dimension, ", each");
    }
    CheckItems(items, vectors);
    std::vector<float> vector(width);
    for (size_t i = 0; i < items.size(); ++i) {
      const auto given = vectors.subspan(i * width, width);
      std::copy(given.begin(), given.end(), vector.begin());
      Normalise(manifest_.similarity, vector);
      changes_.Put(items[i], vector);
    }
  }

  int64_t Remove(const std::vector<std::string>& ids) override {
    return std::count_if(ids.begin(), ids.end(),
                         [&](const std::string& id) { return changes_.Remove(id); });
  }

  int64_t Commit() override {
    if (base_ != nullptr && changes_.empty()) return base_->number;
    const int64_t number = NextNumber();
    const fs::path target = layout::SnapshotFolder(folder_, number);
    {
      BuildingFolder building(folder_);
      WriteSnapshot(building.path());
      building.RenameTo(target);
    }
    auto snapshot = ReadBack(number, target);
    layout::WriteCurrent(folder_, number);
    manifest_ = snapshot->manifest;
    changes_ = Changes(snapshot.get(), manifest_.dimension);
    base_ = std::move(snapshot);
    RemoveOldSnapshots();
    return number;
  }

 private:
  void CheckItems(const std::vector<Item>& items, std::span<const float> vectors) const {
    const size_t width = static_cast<size_t>(manifest_.dimension);
    absl::flat_hash_set<std::string> ids;
    for (size_t i = 0; i < items.size(); ++i) {
      const std::string& id = items[i].id;
      if (id.empty()) InvalidArgument("item ", i, " has no id");
      if (!ids.insert(id).second) InvalidArgument("two items to add have the id '", id, "'");
      const std::string defect =
          VectorDefect(manifest_.similarity, vectors.subspan(i * width, width));
      if (!defect.empty()) InvalidArgument("the vector of item '", id, "': ", defect);
    }
  }

  // Never one that was used, be it by a damaged snapshot.
  int64_t NextNumber() const {
    const auto numbers = layout::ListSnapshots(folder_);
    const int64_t live = base_ == nullptr ? 0 : base_->number;
    return 1 + std::max(live, numbers.empty() ? 0 : numbers.back());
  }

  void WriteSnapshot(const fs::path& building) {
    SnapshotManifest manifest = manifest_;
    manifest.size = WriteRows(changes_, manifest.dimension, building);
    manifest.trained_size = 0;
    manifest.search = {};
    const FactoryParts factory = ParseFactory(manifest.factory);
    if (factory.exact() && manifest.size > 0) {
      const MappedNpy vectors(building / layout::kVectorsFile);
      WriteRowCodes(building / layout::kCodesFile, manifest.similarity, vectors.values(),
                    manifest.dimension);
    }
    if (!factory.exact() && manifest.size > 0) {
      const MappedNpy vectors(building / layout::kVectorsFile);
      std::unique_ptr<ApproximateIndex> index = GrowBase(vectors.values(), manifest.size);
      if (index != nullptr) {
        manifest.trained_size = manifest_.trained_size;
      } else {
        index = std::make_unique<ApproximateIndex>(manifest.factory, manifest.similarity,
                                                   manifest.dimension, vectors.values());
        manifest.trained_size = manifest.size;
      }
      manifest.search = index->SuggestDefaults(factory.refined);
      index->Write(building / layout::kFaissFile);
    }
    manifest.files.clear();
    for (const fs::directory_entry& entry : fs::directory_iterator(building)) {
      manifest.files[entry.path().filename().string()] = MeasureFile(entry.path());
    }
    WriteFileAtomically(building / layout::kManifestFile, SnapshotManifestToJson(manifest));
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

  // What the disk says is what becomes live.
  std::unique_ptr<const Snapshot> ReadBack(int64_t number, const fs::path& target) const {
    try {
      return OpenSnapshot(folder_, number);
    } catch (...) {
      std::error_code ignored;
      fs::remove_all(target, ignored);
      throw;
    }
  }

  void RemoveOldSnapshots() const {
    auto numbers = layout::ListSnapshots(folder_);
    const int64_t surplus = static_cast<int64_t>(numbers.size()) - layout::kSnapshotsKept;
    for (int64_t i = 0; i < surplus; ++i) {
      std::error_code ignored;
      fs::remove_all(layout::SnapshotFolder(folder_, numbers[static_cast<size_t>(i)]), ignored);
    }
  }

  fs::path folder_;
  FolderLock lock_;
  SnapshotManifest manifest_;  // of the last commit; before the first, the options
  std::unique_ptr<const Snapshot> base_;
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
  CheckFactory(options.factory, options.dimension, manifest.similarity);
  return manifest;
}

void MakeFolders(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(layout::SnapshotsFolder(folder), error);
  if (error) {
    Throw(absl::StatusCode::kPermissionDenied, "cannot make the index folder ", folder, ": ",
          error.message());
  }
  SyncDirectory(folder);
  SyncDirectory(fs::absolute(folder).parent_path());
}

std::optional<int64_t> LiveNumber(const fs::path& folder) {
  try {
    return layout::ReadCurrent(folder);
  } catch (const Error&) {
    return {};
  }
}

std::unique_ptr<IndexWriter> NewWriter(const fs::path& folder, FolderLock lock,
                                       SnapshotManifest manifest) {
  layout::RemoveLeftovers(folder, LiveNumber(folder));
  return std::make_unique<SnapshotWriter>(folder, std::move(lock), std::move(manifest), nullptr);
}

}  // namespace

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
  layout::RemoveLeftovers(folder, LiveNumber(folder));
  auto base = OpenLiveSnapshot(folder);
  SnapshotManifest manifest = base->manifest;
  return std::make_unique<SnapshotWriter>(folder, std::move(lock), std::move(manifest),
                                          std::move(base));
}

}  // namespace fluke
