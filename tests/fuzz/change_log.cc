// A segment of the write-ahead log: what is taken is a run of numbered records that an index can
// apply. It is tried as it is, and with its checksums made right, as one who forges it would.
#include "index/change_log.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "common/crc32c.h"
#include "common/files.h"
#include "index/index_version.h"
#include "index/layout.h"
#include "index/overlay.h"
#include "index/snapshot.h"
#include "index/writer.h"
#include "tests/fuzz/fuzz.h"

namespace fluke::fuzz {

constexpr LogIdentity kIdentity = {.origin = 7, .dimension = 2};

std::filesystem::path Folder(const std::string& name) {
  const auto folder = FileOf("", "unused").parent_path() / name;
  std::filesystem::create_directories(folder);
  return folder;
}

std::vector<std::string> Seeds() {
  const auto folder = Folder("seed");
  {
    ChangeLog log(folder, kIdentity, 0);
    v1::ChangeRecord record;
    record.add_put()->set_id("a");
    record.set_put_vectors(std::string(8, '\1'));
    log.Append(record);
    record.add_removed("b");
    v1::StoredItem& updated = *record.add_updated();
    updated.set_id("c");
    updated.set_path("c.jpg");
    log.Append(record);
  }
  return {ReadFile(layout::LogSegment(folder, kIdentity.origin))};
}

// Items a, b and c.
const std::shared_ptr<const Snapshot>& Base() {
  static const auto* base = [] {
    const auto folder = Folder("base");
    const auto writer = CreateIndex(folder, {.metric = "l2", .dimension = kIdentity.dimension});
    std::vector<Item> items(3);
    for (size_t i = 0; i < items.size(); ++i) items[i].id = std::string(1, "abc"[i]);
    writer->Add(items, std::vector<float>(items.size() * kIdentity.dimension, 1));
    writer->Commit();
    return new std::shared_ptr<const Snapshot>(OpenLiveSnapshot(folder));
  }();
  return *base;
}

// The plan of a segment is in change_log.h.
std::string WithRightChecksums(std::string bytes) {
  constexpr size_t kHeader = 36, kRecordHeader = 20, kEnd = 4;
  const auto seal = [&](size_t begin, size_t size, size_t place) {
    const uint32_t crc = Crc32c(std::string_view(bytes).substr(begin, size));
    std::memcpy(bytes.data() + place, &crc, sizeof(crc));
  };
  if (bytes.size() < kHeader) return bytes;
  seal(0, kHeader - 4, kHeader - 4);
  for (size_t at = kHeader; bytes.size() - at >= kRecordHeader;) {
    uint32_t size;
    std::memcpy(&size, bytes.data() + at + 8, sizeof(size));
    const bool whole = bytes.size() - at - kRecordHeader >= size_t{size} + kEnd;
    if (whole) seal(at + kRecordHeader, size, at + 12);
    seal(at, kRecordHeader - 4, at + 16);
    if (!whole) break;
    at += kRecordHeader + size + kEnd;
  }
  return bytes;
}

void Parse(std::string_view bytes, bool last) {
  Takes([&] {
    const SegmentHeader header = ReadSegmentHeader(bytes, "input");
    Overlay overlay(Base(), 0);
    int64_t expected = header.first_sequence;
    const SegmentEnd end =
        ReadSegment(bytes, last, "input", [&](int64_t sequence, const v1::ChangeRecord& record) {
          Require(sequence == expected++, "no gap");
          if (header.identity.dimension == kIdentity.dimension) overlay.Apply(sequence, record);
        });
    Require(end.sound_bytes <= bytes.size() && end.sequence == expected - 1, "a sound end");
    const IndexVersion version(Base(), overlay.View());
    int64_t rows = 0;
    version.ForEachRow([&](int64_t row) {
      ++rows;
      Require(version.FindItem(version.item(row).id) == row, "found by id");
    });
    Require(rows == version.Describe().size, "as many rows as items");
  });
}

}  // namespace fluke::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fluke;  // NOLINT: a harness
  const std::string_view bytes = fuzz::Text(data, size);
  const std::string forged = fuzz::WithRightChecksums(std::string(bytes));
  for (const bool last : {false, true}) {
    fuzz::Parse(bytes, last);
    fuzz::Parse(forged, last);
  }
  return 0;
}
