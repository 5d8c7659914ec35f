// One opened snapshot: every file checked against the manifest before anything in it is used.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "common/npy.h"
#include "index/approximate_index.h"
#include "index/item_table.h"
#include "index/open_options.h"
#include "index/proposer.h"
#include "index/row_codes.h"
#include "index/snapshot_manifest.h"

namespace fluke {

// Immutable; its files are mapped and stay readable when the folder is removed.
struct Snapshot {
  int64_t number = 0;
  SnapshotManifest manifest;
  MappedNpy vectors;                             // size x dimension
  ItemTable items;                               // size
  std::unique_ptr<ApproximateIndex> candidates;  // null: search exactly
  std::unique_ptr<const RowCodes> codes;         // null: there are none
  std::unique_ptr<const Proposer> gpu;           // null: search on the CPU

  // Approximately, over lists of codes.
  bool searches_lists() const { return codes != nullptr && codes->lists() > 0; }
  uint64_t bytes() const;  // on disk, manifest left out
};

SnapshotManifest ReadSnapshotManifest(const std::filesystem::path& index, int64_t number);

// The snapshot of that number. Throws DataLoss or NotFound naming the file, ResourceExhausted when
// it would not fit into the available memory.
std::unique_ptr<const Snapshot> OpenSnapshot(const std::filesystem::path& index, int64_t number,
                                             const OpenOptions& options = {});

// The live snapshot; where it is damaged, that is logged and the last good one before it is opened.
// Throws NotFound when there is no index in the folder, DataLoss when no snapshot is good,
// ResourceExhausted as OpenSnapshot.
std::unique_ptr<const Snapshot> OpenLiveSnapshot(const std::filesystem::path& index,
                                                 const OpenOptions& options = {});

}  // namespace fluke
