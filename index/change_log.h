// The write-ahead log: what was acknowledged after a snapshot, in order, before any snapshot has
// it.
//
// A segment (layout.h) is a header and records, little-endian:
//
//   header   "FLUKELOG"  u32 version = 1  u32 dimension  u64 origin of the index
//            (snapshot_manifest.h)  u64 sequence of the first record  u32 CRC-32C of all before
//   record   u64 sequence  u32 bytes  u32 CRC-32C of the payload  u32 CRC-32C of all before
//            payload: a ChangeRecord (proto/fluke/v1/storage.proto)
//            "END!"
//
// Records are numbered without a gap through all segments. A record is appended and fdatasync'ed
// before it counts. What a crash leaves of one that did not come to that, at the end of the last
// segment, is no record: it is too short, or sectors of it were never written and are zeros. Only
// that: anything else that is not as written is damage.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "fluke/v1/storage.pb.h"

namespace fluke {

// Which log, and what a record must fit. Segments of a log have its origin's number or larger ones.
struct LogIdentity {
  int64_t origin = 0;
  int64_t dimension = 0;
};

using ApplyRecord = std::function<void(int64_t sequence, const v1::ChangeRecord& record)>;

// Calls `apply` for every record after number `after`, in order; returns the last one's number
// (`after` when there is none). Takes no lock: what is being appended meanwhile may be seen or not.
// Throws DataLoss naming the segment and the place; what came before was applied.
int64_t ReadLog(const std::filesystem::path& index, const LogIdentity& identity, int64_t after,
                const ApplyRecord& apply);

struct SegmentHeader {
  LogIdentity identity;
  int64_t first_sequence = 0;
};
struct SegmentEnd {
  uint64_t sound_bytes = 0;
  int64_t sequence = 0;  // of the last record; the first one's - 1 when there is none
};
// The bytes of one segment. `name` stands in errors. Both throw DataLoss.
SegmentHeader ReadSegmentHeader(std::string_view bytes, std::string_view name);
// last: no other segment follows, so that the end may be torn.
SegmentEnd ReadSegment(std::string_view bytes, bool last, std::string_view name,
                       const ApplyRecord& apply);

// Appends. One at a time, under the index folder's lock. Not thread-safe.
class ChangeLog {
 public:
  // Goes on after record number `sequence`, the last one; what a crash left behind it is cut off.
  ChangeLog(std::filesystem::path index, const LogIdentity& identity, int64_t sequence);
  ~ChangeLog();
  ChangeLog(const ChangeLog&) = delete;
  ChangeLog& operator=(const ChangeLog&) = delete;

  // Returns the record's number when it is durable. Throws ResourceExhausted, Internal ... when it
  // is not; the log is as before then, or, where that cannot be told, takes no further record
  // (FailedPrecondition).
  int64_t Append(const v1::ChangeRecord& record);

  // What comes next goes to a new segment.
  void BeginSegment();

  int64_t sequence() const { return sequence_; }

 private:
  void OpenSegment();
  void Close();

  std::filesystem::path index_;
  LogIdentity identity_;
  int64_t sequence_;  // of the last record
  std::filesystem::path path_;
  int fd_ = -1;  // none before the first record
  uint64_t size_ = 0;
  bool broken_ = false;
};

// The smallest number from `least` on that is larger than those of all segments, damaged ones too.
// The number of a new index's first snapshot as `least` gives an origin that no other index of the
// folder has.
int64_t FreeSegmentNumber(const std::filesystem::path& index, int64_t least);

// What a kept snapshot still needs of its log: the records after this one.
struct LogNeed {
  int64_t origin = 0;
  int64_t after = 0;
};
// Removes the segments that none of `needs` has a record in. Best effort; only under the lock, and
// not before the snapshots that needed them are gone.
void RemoveOldSegments(const std::filesystem::path& index, const std::vector<LogNeed>& needs);

}  // namespace fluke
