#include "index/reader.h"

#include <memory>
#include <optional>
#include <utility>

#include "common/error.h"
#include "common/text.h"
#include "index/index_version.h"
#include "index/layout.h"
#include "index/overlay.h"
#include "index/snapshot.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

constexpr int kAttempts = 3;  // at opening while compactions go on

void CheckDevice(const std::string& device) {
  if (device != "cpu" && device != "gpu") {
    InvalidArgument("unknown device '", device, "' of an index; known: cpu, gpu");
  }
}

}  // namespace

std::unique_ptr<VectorIndex> OpenIndex(const fs::path& folder, const OpenOptions& options) {
  CheckDevice(options.device);
  for (int attempt = 1;; ++attempt) {
    const std::optional<int64_t> live = layout::LiveNumber(folder);
    const std::shared_ptr<const Snapshot> snapshot = OpenLiveSnapshot(folder, options);
    try {
      return std::make_unique<IndexVersion>(snapshot, ReplayLog(folder, snapshot).View());
    } catch (const Error&) {
      // What a snapshot needs of the log goes when three newer ones are there.
      if (attempt == kAttempts || layout::LiveNumber(folder) == live) throw;
    }
  }
}

std::unique_ptr<VectorIndex> OpenIndexAt(const fs::path& folder, int64_t snapshot,
                                         const OpenOptions& options) {
  CheckDevice(options.device);
  if (!layout::HoldsIndex(folder)) NotFound("no index in ", folder);
  if (!fs::exists(layout::SnapshotFolder(folder, snapshot))) {
    NotFound("no snapshot ", snapshot, " in ", folder,
             "; there are: ", StrJoin(layout::ListSnapshots(folder), ", "));
  }
  std::shared_ptr<const Snapshot> opened = OpenSnapshot(folder, snapshot, options);
  OverlayView nothing = Overlay(opened, opened->manifest.log_sequence).View();
  return std::make_unique<IndexVersion>(std::move(opened), std::move(nothing));
}

void CheckFingerprint(const IndexInfo& index, std::string_view fingerprint, std::string_view of) {
  if (index.fingerprint.empty() || fingerprint.empty() || index.fingerprint == fingerprint) return;
  Throw(absl::StatusCode::kFailedPrecondition, "the index was made with the model ",
        index.fingerprint, ", but the fingerprint of ", of, " is ", fingerprint,
        ": use the model of the index or build the index again");
}

}  // namespace fluke
