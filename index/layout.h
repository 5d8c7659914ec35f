// The plan of an index folder. Every file name is made here.
//
//   INDEX/
//     CURRENT            "000003 1a2b3c4d\n": the live snapshot, the CRC-32C of its six digits
//     LOCK               flock()ed by the one writer; readers never take it
//     snapshots/
//       000003/
//         manifest.json  what this snapshot is, size and CRC-32C of each other file
//                        (snapshot_manifest.h)
//         vectors.npy    float32, size x dimension; row i is item i; unit rows for cosine
//         items.csv      id, identity, path, metadata; row i is item i
//         index.faiss    the FAISS index of those rows; none for "Flat" and without items
//         codes.bin      for "Flat": 8-bit codes of the rows (row_codes.h), where they pay
//       .building-XXXXXX/  a snapshot under way
//       .removing-000003/  a snapshot on its way out
//       .spill.*         what waits for a commit and memory has no room for (ScratchFile)
//                        left over only by a crash, these are never read, and removed by the next
//                        writer
//
// A snapshot is written under its temporary name, fsync'ed, renamed, read back, and only then does
// CURRENT change (itself a rename): before that nobody sees it, after that it is never changed.
// Live snapshots are numbered in the order of their commits; the last kSnapshotsKept stay.
//
//     wal/
//       000007.log       changes after a snapshot, in order (change_log.h); those that the oldest
//                        snapshot kept holds already are removed
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace fluke::layout {

inline constexpr char kManifestFile[] = "manifest.json";
inline constexpr char kVectorsFile[] = "vectors.npy";
inline constexpr char kItemsFile[] = "items.csv";
inline constexpr char kFaissFile[] = "index.faiss";
inline constexpr char kCodesFile[] = "codes.bin";
inline constexpr int kSnapshotsKept = 3;

inline std::filesystem::path CurrentFile(const std::filesystem::path& index) {
  return index / "CURRENT";
}
inline std::filesystem::path LockFile(const std::filesystem::path& index) { return index / "LOCK"; }
inline std::filesystem::path SnapshotsFolder(const std::filesystem::path& index) {
  return index / "snapshots";
}
inline std::filesystem::path SpillFile(const std::filesystem::path& index) {
  return SnapshotsFolder(index) / "spill";
}

// Six digits, more where six do not suffice.
std::string SnapshotName(int64_t number);
std::filesystem::path SnapshotFolder(const std::filesystem::path& index, int64_t number);

inline std::filesystem::path LogFolder(const std::filesystem::path& index) { return index / "wal"; }
std::filesystem::path LogSegment(const std::filesystem::path& index, int64_t number);

// Numbers of the snapshot folders that are there, ascending; complete or not.
std::vector<int64_t> ListSnapshots(const std::filesystem::path& index);

// Numbers of the log's segments that are there, ascending.
std::vector<int64_t> ListLogSegments(const std::filesystem::path& index);

// Is there anything of an index in this folder, be it damaged?
bool HoldsIndex(const std::filesystem::path& index);

// What CURRENT says. Throws NotFound when it is missing, DataLoss when it is damaged.
int64_t ReadCurrent(const std::filesystem::path& index);
// The same; none where it cannot be told.
std::optional<int64_t> LiveNumber(const std::filesystem::path& index);
void WriteCurrent(const std::filesystem::path& index, int64_t number);

// A fresh empty folder for a snapshot under way.
std::filesystem::path MakeBuildingFolder(const std::filesystem::path& index);

// A snapshot is whole as long as it has its name. Best effort.
void RemoveSnapshot(const std::filesystem::path& index, int64_t number);

// Removes what crashed writers left: building folders, temporary and spill files and, where the
// live snapshot is known, snapshots that never became live. Only under the lock.
void RemoveLeftovers(const std::filesystem::path& index, std::optional<int64_t> live);

}  // namespace fluke::layout
