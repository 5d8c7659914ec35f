// Makes the next snapshot of an index folder: rows, items, what makes searches quick, and the
// manifest; then it is the live one.
#pragma once

#include <filesystem>
#include <memory>

#include "index/changes.h"
#include "index/snapshot.h"

namespace fluke {

// `base`: null for an empty index; `changes` are to it. manifest: the base's, or what a new index
// shall be. Snapshots and parts of the log that are not kept any more are removed. Nothing has
// changed where it throws. Only under the folder's lock. The new
// snapshot is opened as `open` says.
std::unique_ptr<const Snapshot> CommitSnapshot(const std::filesystem::path& folder,
                                               const SnapshotManifest& manifest,
                                               const Snapshot* base, const Changes& changes,
                                               const OpenOptions& open = {});

}  // namespace fluke
