#include "index/verify.h"

#include <algorithm>

#include "common/error.h"
#include "common/files.h"
#include "index/layout.h"
#include "index/snapshot_manifest.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

FileCheck Unchecked(const fs::path& index, const fs::path& path) {
  return {.file = path.lexically_relative(index).string(), .bytes = 0, .problem = ""};
}

FileCheck CheckOne(const fs::path& index, const fs::path& path, const FileRecord& expected) {
  FileCheck check = Unchecked(index, path);
  check.bytes = expected.bytes;
  try {
    CheckBytes(MappedFile(path), expected, path);
  } catch (const Error& error) {
    check.problem = error.what();
  }
  return check;
}

void VerifySnapshot(const fs::path& index, int64_t number, std::vector<FileCheck>& checks) {
  const fs::path folder = layout::SnapshotFolder(index, number);
  const fs::path manifest_path = folder / layout::kManifestFile;
  FileCheck check = Unchecked(index, manifest_path);
  try {
    const std::string text = ReadFile(manifest_path);
    check.bytes = text.size();
    const SnapshotManifest manifest = ParseSnapshotManifest(text, manifest_path.string());
    checks.push_back(check);
    for (const auto& [name, record] : manifest.files) {
      checks.push_back(CheckOne(index, folder / name, record));
    }
  } catch (const Error& error) {
    check.problem = error.what();
    checks.push_back(check);
  }
}

FileCheck VerifyCurrent(const fs::path& index) {
  FileCheck check = Unchecked(index, layout::CurrentFile(index));
  try {
    const int64_t live = layout::ReadCurrent(index);
    check.bytes = fs::file_size(layout::CurrentFile(index));
    const auto snapshots = layout::ListSnapshots(index);
    if (std::find(snapshots.begin(), snapshots.end(), live) == snapshots.end()) {
      check.problem = StrCat(layout::CurrentFile(index), ": names the snapshot ",
                             layout::SnapshotName(live), ", which is not there");
    }
  } catch (const Error& error) {
    check.problem = error.what();
  }
  return check;
}

}  // namespace

std::vector<FileCheck> VerifyIndex(const fs::path& folder) {
  if (!layout::HoldsIndex(folder)) NotFound("no index in ", folder);
  std::vector<FileCheck> checks = {VerifyCurrent(folder)};
  for (const int64_t number : layout::ListSnapshots(folder)) {
    VerifySnapshot(folder, number, checks);
  }
  return checks;
}

}  // namespace fluke
