#include "index/verify.h"

#include <algorithm>
#include <set>

#include "common/error.h"
#include "common/files.h"
#include "index/best_k.h"
#include "index/change_log.h"
#include "index/exact_scan.h"
#include "index/factory.h"
#include "index/layout.h"
#include "index/reader.h"
#include "index/snapshot_manifest.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSampledQueries = 64;
constexpr int kSampledTop = 20;

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

// The neighbours of normalised `queries` by a plain scan of the vectors of `rows`, some at a time.
std::vector<std::vector<Neighbor>> ScanVectors(const VectorIndex& index,
                                               std::span<const int64_t> rows,
                                               std::span<const float> queries) {
  constexpr size_t kBlockRows = 16384;
  const IndexInfo info = index.Describe();
  std::vector<std::vector<Neighbor>> best(queries.size() / static_cast<size_t>(info.dimension));
  for (size_t begin = 0; begin < rows.size(); begin += kBlockRows) {
    const auto block = rows.subspan(begin, std::min(kBlockRows, rows.size() - begin));
    std::vector<float> vectors;
    for (const int64_t row : block) {
      const std::vector<float> vector = index.vector(row);
      vectors.insert(vectors.end(), vector.begin(), vector.end());
    }
    const auto found =
        ScanExactly(ParseSimilarity(info.metric), queries, vectors, info.dimension, kSampledTop);
    for (size_t q = 0; q < best.size(); ++q) {
      for (const Neighbor& neighbor : found[q]) {
        best[q].push_back({block[static_cast<size_t>(neighbor.row)], neighbor.score});
      }
      std::sort(best[q].begin(), best[q].end(), Better);
      best[q].resize(std::min<size_t>(best[q].size(), kSampledTop));
    }
  }
  return best;
}

}  // namespace

// From the last segment to the first, so that it is known whether another one of the same index
// follows.
void VerifyLog(const fs::path& index, const fs::path& folder, std::vector<FileCheck>& checks) {
  std::set<int64_t> followed;
  std::vector<int64_t> numbers = layout::ListLogSegments(folder);
  for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
    const fs::path path = layout::LogSegment(folder, *number);
    FileCheck check = Unchecked(index, path);
    try {
      const std::string bytes = ReadFile(path);
      check.bytes = bytes.size();
      const int64_t origin = ReadSegmentHeader(bytes, path.string()).identity.origin;
      const bool last = followed.insert(origin).second;
      ReadSegment(bytes, last, path.string(), [](int64_t, const v1::ChangeRecord&) {});
    } catch (const Error& error) {
      check.problem = error.what();
    }
    checks.push_back(check);
  }
}

std::vector<FileCheck> VerifyIndex(const fs::path& folder) {
  if (!layout::HoldsIndex(folder)) NotFound("no index in ", folder);
  std::vector<FileCheck> checks = {VerifyCurrent(folder)};
  for (const int64_t number : layout::ListSnapshots(folder)) {
    VerifySnapshot(folder, number, checks);
  }
  VerifyLog(folder, folder, checks);
  return checks;
}

NeighborCheck VerifyNeighbors(const fs::path& folder) {
  const auto index = OpenIndex(folder);
  const IndexInfo info = index->Describe();
  NeighborCheck check{.exact = ParseFactory(info.factory).exact()};
  std::vector<int64_t> rows;
  index->ForEachRow([&](int64_t row) { rows.push_back(row); });
  std::vector<float> queries;
  for (size_t i = 0; i < rows.size(); i += 1 + rows.size() / kSampledQueries) {
    const std::vector<float> query = index->vector(rows[i]);
    queries.insert(queries.end(), query.begin(), query.end());
    ++check.queries;
  }
  if (check.queries == 0) return check;
  const auto truth = ScanVectors(*index, rows, queries);
  const auto found = index->Search(queries, {.k = kSampledTop});
  int64_t right = 0, wanted = 0;
  for (size_t q = 0; q < truth.size(); ++q) {
    for (const Neighbor& neighbor : truth[q]) {
      ++wanted;
      right += std::any_of(found[q].begin(), found[q].end(), [&](const Neighbor& other) {
        return other.row == neighbor.row && other.score == neighbor.score;
      });
    }
  }
  check.recall = static_cast<double>(right) / static_cast<double>(wanted);
  if (check.exact && right != wanted) {
    check.problem = StrCat(folder.string(), ": the exact search misses ", wanted - right, " of ",
                           wanted, " neighbours");
  }
  return check;
}

}  // namespace fluke
