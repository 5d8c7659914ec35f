#include "index/change_log.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "common/crc32c.h"
#include "common/error.h"
#include "common/files.h"
#include "index/layout.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "FLUKELOG";
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 36;
constexpr size_t kRecordHeaderBytes = 20;
constexpr int64_t kMostSequence = int64_t{1} << 62;
constexpr std::string_view kRecordEnd = "END!";  // so that no record ends in zeros
constexpr size_t kSectorBytes = 512;             // written whole or not at all
constexpr size_t kMostRecordBytes = size_t{1} << 30;

template <typename T>
void Put(std::string& bytes, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    bytes.push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * i) & 0xff));
  }
}

// Takes little-endian values off the front.
template <typename T>
T Take(std::string_view& bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  bytes.remove_prefix(sizeof(T));
  return static_cast<T>(value);
}

std::string HeaderBytes(const SegmentHeader& header) {
  std::string bytes(kMagic);
  Put(bytes, kVersion);
  Put(bytes, static_cast<uint32_t>(header.identity.dimension));
  Put(bytes, header.identity.origin);
  Put(bytes, header.first_sequence);
  Put(bytes, Crc32c(bytes));
  return bytes;
}

std::string RecordBytes(int64_t sequence, std::string_view payload) {
  std::string bytes;
  bytes.reserve(kRecordHeaderBytes + payload.size() + kRecordEnd.size());
  Put(bytes, sequence);
  Put(bytes, static_cast<uint32_t>(payload.size()));
  Put(bytes, Crc32c(payload));
  Put(bytes, Crc32c(bytes));
  bytes += payload;
  bytes += kRecordEnd;
  return bytes;
}

bool AllZero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

size_t BytesToSectorEnd(uint64_t offset) { return kSectorBytes - offset % kSectorBytes; }

// Of a record, or the first part of one, at this offset of its file: does it lack a sector? A
// piece of a few bytes may be zeros as it is, but not that with the record's end.
bool LacksSector(std::string_view record, uint64_t offset) {
  constexpr size_t kTellingBytes = sizeof(int64_t);  // a record's number is not 0
  while (!record.empty()) {
    const std::string_view piece = record.substr(0, BytesToSectorEnd(offset));
    if (AllZero(piece) && (piece.size() >= kTellingBytes || piece.size() == record.size())) {
      return true;
    }
    offset += piece.size();
    record.remove_prefix(piece.size());
  }
  return false;
}

void CheckRecord(const v1::ChangeRecord& record, int64_t dimension, const std::string& where) {
  const auto vectors = static_cast<int64_t>(record.put_vectors().size());
  if (vectors != record.put_size() * dimension * static_cast<int64_t>(sizeof(float))) {
    DataLoss(where, ": damaged: ", vectors, " bytes of vectors for ", record.put_size(),
             " items of dimension ", dimension);
  }
  if (record.put_features_size() != 0 && record.put_features_size() != record.put_size()) {
    DataLoss(where, ": damaged: key points of ", record.put_features_size(), " photographs for ",
             record.put_size(), " items");
  }
  const auto has_id = [](const v1::StoredItem& item) { return !item.id().empty(); };
  if (!std::all_of(record.put().begin(), record.put().end(), has_id) ||
      !std::all_of(record.updated().begin(), record.updated().end(), has_id)) {
    DataLoss(where, ": damaged: an item without an id");
  }
}

struct Segment {
  fs::path path;
  SegmentHeader header;
};

Segment OpenSegmentAt(const fs::path& index, int64_t number) {
  const fs::path path = layout::LogSegment(index, number);
  return {.path = path, .header = ReadSegmentHeader(MappedFile(path).text(), path.string())};
}

// Those of one index, ascending.
std::vector<Segment> SegmentsOf(const fs::path& index, int64_t origin) {
  std::vector<Segment> segments;
  for (const int64_t number : layout::ListLogSegments(index)) {
    if (number < origin) continue;
    Segment segment = OpenSegmentAt(index, number);
    if (segment.header.identity.origin == origin) segments.push_back(std::move(segment));
  }
  return segments;
}

}  // namespace

SegmentHeader ReadSegmentHeader(std::string_view bytes, std::string_view name) {
  const std::string_view whole = bytes.substr(0, kHeaderBytes);
  if (whole.size() < kHeaderBytes || !whole.starts_with(kMagic)) {
    DataLoss(name, ": damaged: not a log of changes");
  }
  bytes.remove_prefix(kMagic.size());
  const auto version = Take<uint32_t>(bytes);
  SegmentHeader header;
  header.identity.dimension = Take<uint32_t>(bytes);
  header.identity.origin = Take<int64_t>(bytes);
  header.first_sequence = Take<int64_t>(bytes);
  if (Take<uint32_t>(bytes) != Crc32c(whole.substr(0, kHeaderBytes - sizeof(uint32_t)))) {
    DataLoss(name, ": damaged: the CRC-32C of its header does not match");
  }
  if (version != kVersion) {
    Throw(absl::StatusCode::kFailedPrecondition, name, ": log format ", version,
          ", this fluke reads ", kVersion);
  }
  if (header.first_sequence < 1 || header.first_sequence > kMostSequence) {
    DataLoss(name, ": damaged: it begins with record ", header.first_sequence);
  }
  return header;
}

SegmentEnd ReadSegment(std::string_view bytes, bool last, std::string_view name,
                       const ApplyRecord& apply) {
  const SegmentHeader header = ReadSegmentHeader(bytes, name);
  SegmentEnd end = {.sound_bytes = kHeaderBytes, .sequence = header.first_sequence - 1};
  std::string_view rest = bytes.substr(kHeaderBytes);
  while (!rest.empty()) {
    const std::string where = StrCat(name, ", byte ", end.sound_bytes);
    if (rest.size() < kRecordHeaderBytes || AllZero(rest)) {
      if (last) return end;
      DataLoss(where, ": damaged: an incomplete record, and more changes follow");
    }
    std::string_view fields = rest.substr(0, kRecordHeaderBytes);
    const auto sequence = Take<int64_t>(fields);
    const auto size = Take<uint32_t>(fields);
    const auto payload_crc = Take<uint32_t>(fields);
    if (Take<uint32_t>(fields) != Crc32c(rest.substr(0, kRecordHeaderBytes - sizeof(uint32_t)))) {
      // Its sectors are all that is known of the record.
      const size_t known =
          kRecordHeaderBytes + BytesToSectorEnd(end.sound_bytes + kRecordHeaderBytes);
      if (last && LacksSector(rest.substr(0, known), end.sound_bytes)) return end;
      DataLoss(where, ": damaged: the CRC-32C of a record's header does not match");
    }
    if (sequence != end.sequence + 1) {
      DataLoss(where, ": damaged: record ", sequence, ", expected ", end.sequence + 1);
    }
    const size_t whole = kRecordHeaderBytes + size + kRecordEnd.size();
    if (rest.size() < whole) {
      if (last) return end;
      DataLoss(where, ": damaged: an incomplete record, and more changes follow");
    }
    const std::string_view payload = rest.substr(kRecordHeaderBytes, size);
    v1::ChangeRecord record;
    if (Crc32c(payload) != payload_crc || !rest.substr(0, whole).ends_with(kRecordEnd) ||
        !record.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
      const bool is_end = AllZero(rest.substr(whole));
      if (last && is_end && LacksSector(rest.substr(0, whole), end.sound_bytes)) return end;
      DataLoss(where, ": damaged: the CRC-32C of record ", sequence, " does not match");
    }
    CheckRecord(record, header.identity.dimension, where);
    apply(sequence, record);
    end.sequence = sequence;
    end.sound_bytes += whole;
    rest.remove_prefix(whole);
  }
  return end;
}

int64_t ReadLog(const fs::path& index, const LogIdentity& identity, int64_t after,
                const ApplyRecord& apply) {
  const std::vector<Segment> segments = SegmentsOf(index, identity.origin);
  int64_t sequence = after;
  for (size_t i = 0; i < segments.size(); ++i) {
    const auto& [path, header] = segments[i];
    const bool last = i + 1 == segments.size();
    if (header.identity.dimension != identity.dimension) {
      DataLoss(path, ": damaged: changes of dimension ", header.identity.dimension,
               " to an index of dimension ", identity.dimension);
    }
    if (!last && segments[i + 1].header.first_sequence <= after + 1) continue;
    if (header.first_sequence > sequence + 1) {
      DataLoss(path, ": changes ", sequence + 1, " to ", header.first_sequence - 1,
               " are missing before it");
    }
    const SegmentEnd end = ReadSegment(ReadFile(path), last, path.string(),
                                       [&](int64_t number, const v1::ChangeRecord& record) {
                                         if (number > after) apply(number, record);
                                       });
    sequence = std::max(sequence, end.sequence);
  }
  return sequence;
}

ChangeLog::ChangeLog(fs::path index, const LogIdentity& identity, int64_t sequence)
    : index_(std::move(index)), identity_(identity), sequence_(sequence) {
  MakeFolder(layout::LogFolder(index_));
  const std::vector<Segment> segments = SegmentsOf(index_, identity_.origin);
  if (segments.empty()) return;
  path_ = segments.back().path;
  const std::string bytes = ReadFile(path_);
  const SegmentEnd end =
      ReadSegment(bytes, /*last=*/true, path_.string(), [](int64_t, const v1::ChangeRecord&) {});
  if (end.sound_bytes == bytes.size()) return;
  spdlog::info("{}: cut off {} bytes of a change that was never acknowledged", path_.string(),
               bytes.size() - end.sound_bytes);
  fd_ = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd_ < 0 || ftruncate(fd_, static_cast<off_t>(end.sound_bytes)) != 0 || fsync(fd_) != 0) {
    const int error = errno;
    Close();
    ThrowErrno(error, "cannot cut off an incomplete change in", path_);
  }
  Close();
}

ChangeLog::~ChangeLog() { Close(); }

void ChangeLog::Close() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

void ChangeLog::BeginSegment() { Close(); }

void ChangeLog::OpenSegment() {
  path_ =
      layout::LogSegment(index_, FreeSegmentNumber(index_, std::max<int64_t>(1, identity_.origin)));
  const std::string header = HeaderBytes({.identity = identity_, .first_sequence = sequence_ + 1});
  WriteFileAtomically(path_, header);
  fd_ = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd_ < 0) ThrowErrno(errno, "cannot open", path_);
  size_ = header.size();
}

int64_t ChangeLog::Append(const v1::ChangeRecord& record) {
  if (broken_) {
    Throw(absl::StatusCode::kFailedPrecondition, path_.string(),
          ": no more changes are taken since one could not be made durable; open the index again");
  }
  const std::string payload = record.SerializeAsString();
  if (payload.size() > kMostRecordBytes) {
    InvalidArgument("a change of ", payload.size(), " bytes, expected at most ", kMostRecordBytes,
                    ": bring it in parts");
  }
  if (fd_ < 0) OpenSegment();
  const std::string bytes = RecordBytes(sequence_ + 1, payload);
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written =
        pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(size_ + done));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      // Without its end it is no record; where it cannot be cut off, nothing may follow it.
      broken_ = ftruncate(fd_, static_cast<off_t>(size_)) != 0;
      ThrowErrno(error, "cannot write", path_, "the change was not made");
    }
    done += static_cast<size_t>(written);
  }
  if (fdatasync(fd_) != 0) {
    const int error = errno;
    // Whether it is durable is not known, nor what a second fsync would say. Best effort: gone.
    broken_ = true;
    if (ftruncate(fd_, static_cast<off_t>(size_)) != 0) errno = 0;
    ThrowErrno(error, "cannot make durable", path_, "the change was not made");
  }
  size_ += bytes.size();
  return ++sequence_;
}

int64_t FreeSegmentNumber(const fs::path& index, int64_t least) {
  const auto numbers = layout::ListLogSegments(index);
  return numbers.empty() ? least : std::max(least, numbers.back() + 1);
}

void RemoveOldSegments(const fs::path& index, const std::vector<LogNeed>& needs) {
  std::vector<Segment> known;
  for (const int64_t number : layout::ListLogSegments(index)) {
    try {
      known.push_back(OpenSegmentAt(index, number));
    } catch (const Error& error) {
      // A damaged one stays: somebody may want to look at it.
      spdlog::warn("{}", error.what());
    }
  }
  for (size_t i = 0; i < known.size(); ++i) {
    const SegmentHeader& header = known[i].header;
    // Its records end where the next segment of the same index begins.
    const auto next = std::find_if(known.begin() + static_cast<int64_t>(i) + 1, known.end(),
                                   [&](const Segment& other) {
                                     return other.header.identity.origin == header.identity.origin;
                                   });
    const bool needed = std::any_of(needs.begin(), needs.end(), [&](const LogNeed& need) {
      return need.origin == header.identity.origin &&
             (next == known.end() || next->header.first_sequence > need.after + 1);
    });
    std::error_code ignored;
    if (!needed) fs::remove(known[i].path, ignored);
  }
}

}  // namespace fluke
