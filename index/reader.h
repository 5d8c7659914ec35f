// Opening an index folder for searching. An opened index is one immutable version: it is not
// affected by later commits, and its files stay readable when the folder is removed. No lock is
// taken.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "common/vector_index.h"
#include "index/open_options.h"

namespace fluke {

// The live snapshot and all changes logged since. Every file is read once and checked. A damaged
// live snapshot is logged and the last good one opened, with all changes logged since that. Throws
// NotFound when there is no index, DataLoss when no snapshot or the log is not good,
// ResourceExhausted, before anything but a manifest is read, when the index would not fit into the
// available memory, InvalidArgument for an unknown device.
std::unique_ptr<VectorIndex> OpenIndex(const std::filesystem::path& folder,
                                       const OpenOptions& options = {});

// As the index was when that snapshot was made. Throws NotFound when it is not kept any more.
std::unique_ptr<VectorIndex> OpenIndexAt(const std::filesystem::path& folder, int64_t snapshot,
                                         const OpenOptions& options = {});

// Throws FailedPrecondition, naming both, when `fingerprint` is that of another model than the
// index's. An unknown ("") fingerprint on either side passes. `of`: whose it is, as it stands in
// the message ("the model runs/a").
void CheckFingerprint(const IndexInfo& index, std::string_view fingerprint, std::string_view of);

}  // namespace fluke
