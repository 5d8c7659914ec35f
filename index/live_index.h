// An index folder that is searched and changed at once (LiveIndex, common/vector_index.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "common/vector_index.h"
#include "index/open_options.h"

namespace fluke {

struct LiveIndexOptions {
  // So many rows that came or went since the last snapshot start a compaction in the background: 0
  // = 4096, or a 32nd of the snapshot's rows where that is more; -1 = never.
  int64_t compact_after_rows = 0;
  OpenOptions open = {};
};

// Holds the folder's lock until it is destroyed, which waits for a compaction under way. Opens as
// OpenIndex does; throws FailedPrecondition when another writer has the folder.
std::unique_ptr<LiveIndex> OpenLiveIndex(const std::filesystem::path& folder,
                                         const LiveIndexOptions& options = {});

}  // namespace fluke
