#include "index/layout.h"

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>

#include "absl/strings/str_format.h"
#include "common/crc32c.h"
#include "common/error.h"
#include "common/files.h"

namespace fluke::layout {
namespace {

namespace fs = std::filesystem;

constexpr char kBuildingPrefix[] = ".building-";
constexpr char kRemovingPrefix[] = ".removing-";
constexpr std::string_view kSegmentSuffix = ".log";
constexpr size_t kMaxCurrentBytes = 64;

std::string CurrentText(int64_t number) {
  const std::string name = SnapshotName(number);
  return absl::StrFormat("%s %08x\n", name, Crc32c(name));
}

std::optional<int64_t> ParseSnapshotName(std::string_view name) {
  int64_t number = 0;
  std::from_chars(name.data(), name.data() + name.size(), number);
  if (number < 1 || SnapshotName(number) != name) return {};
  return number;
}

std::optional<int64_t> ParseSegmentName(std::string_view name) {
  if (!name.ends_with(kSegmentSuffix)) return {};
  name.remove_suffix(kSegmentSuffix.size());
  return ParseSnapshotName(name);
}

std::vector<fs::path> Entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    NotFound("cannot list ", folder.string(), ": ", error.message());
  }
  return entries;
}

// Those in the names of a folder's entries, ascending.
std::vector<int64_t> Numbers(const fs::path& folder,
                             std::optional<int64_t> (*parse)(std::string_view name)) {
  std::vector<int64_t> numbers;
  for (const fs::path& entry : Entries(folder)) {
    if (const auto number = parse(entry.filename().string())) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace

std::string SnapshotName(int64_t number) { return absl::StrFormat("%06d", number); }

fs::path SnapshotFolder(const fs::path& index, int64_t number) {
  return SnapshotsFolder(index) / SnapshotName(number);
}

fs::path LogSegment(const fs::path& index, int64_t number) {
  return LogFolder(index) / (SnapshotName(number) + std::string(kSegmentSuffix));
}

std::vector<int64_t> ListSnapshots(const fs::path& index) {
  return Numbers(SnapshotsFolder(index), ParseSnapshotName);
}

std::vector<int64_t> ListLogSegments(const fs::path& index) {
  return Numbers(LogFolder(index), ParseSegmentName);
}

bool HoldsIndex(const fs::path& index) {
  return fs::exists(CurrentFile(index)) || !ListSnapshots(index).empty() ||
         !ListLogSegments(index).empty();
}

int64_t ReadCurrent(const fs::path& index) {
  const fs::path path = CurrentFile(index);
  if (!fs::exists(path)) NotFound(path.string(), ": no such file");
  const std::string text = ReadFile(path, kMaxCurrentBytes);
  const auto number = ParseSnapshotName(std::string_view(text).substr(0, text.find(' ')));
  if (!number || text != CurrentText(*number)) {
    DataLoss(path.string(), ": damaged: expected a snapshot number and its CRC-32C");
  }
  return *number;
}

std::optional<int64_t> LiveNumber(const fs::path& index) {
  try {
    return ReadCurrent(index);
  } catch (const Error&) {
    return {};
  }
}

void WriteCurrent(const fs::path& index, int64_t number) {
  WriteFileAtomically(CurrentFile(index), CurrentText(number));
}

fs::path MakeBuildingFolder(const fs::path& index) {
  std::string path = (SnapshotsFolder(index) / (std::string(kBuildingPrefix) + "XXXXXX")).string();
  if (mkdtemp(path.data()) == nullptr) {
    ThrowErrno(errno, "cannot make a folder in", SnapshotsFolder(index));
  }
  // mkdtemp makes it private to the owner; a snapshot is readable like the folder it stands in.
  std::error_code ignored;
  fs::permissions(path, fs::status(index).permissions() & fs::perms::all, ignored);
  return path;
}

void RemoveSnapshot(const fs::path& index, int64_t number) {
  std::error_code ignored;
  const fs::path leaving = SnapshotsFolder(index) / (kRemovingPrefix + SnapshotName(number));
  fs::rename(SnapshotFolder(index, number), leaving, ignored);
  fs::remove_all(leaving, ignored);
}

void RemoveLeftovers(const fs::path& index, std::optional<int64_t> live) {
  std::error_code ignored;
  for (const fs::path& entry : Entries(SnapshotsFolder(index))) {
    const std::string name = entry.filename().string();
    if (name.starts_with(kBuildingPrefix) || name.starts_with(kRemovingPrefix)) {
      fs::remove_all(entry, ignored);
    }
  }
  RemoveAbandoned(CurrentFile(index));
  for (const fs::path& entry : Entries(LogFolder(index))) {  // segments that have no name yet
    if (entry.filename().string().starts_with(".")) fs::remove(entry, ignored);
  }
  RemoveAbandoned(SpillFile(index));
  if (!live) return;
  for (const int64_t number : ListSnapshots(index)) {
    if (number > *live) RemoveSnapshot(index, number);
  }
}

}  // namespace fluke::layout
