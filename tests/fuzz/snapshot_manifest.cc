// manifest.json of a snapshot and CURRENT. The manifest is tried as it is, and with its checksum
// made right, as one who forges it would.
#include "index/snapshot_manifest.h"

#include <nlohmann/json.hpp>

#include "common/crc32c.h"
#include "index/layout.h"
#include "tests/fuzz/fuzz.h"

namespace fluke::fuzz {

std::vector<std::string> Seeds() {
  const SnapshotManifest manifest = {
      .factory = "IVF4,Flat",
      .dimension = 8,
      .size = 100,
      .trained_size = 100,
      .fingerprint = "model a",
      .search = {.nprobe = 4},
      .files = {{"vectors.npy", {.bytes = 3328, .crc32c = 0x12345678}}, {"items.csv", {9, 1}}}};
  return {SnapshotManifestToJson(manifest), SnapshotManifestToJson({.dimension = 1}),
          "000003 1a2b3c4d\n", "{\"format_version\": 1}"};
}

std::string WithRightChecksum(std::string_view text) {
  using nlohmann::json;
  json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return "";
  document.erase("manifest_crc32c");
  try {
    document["manifest_crc32c"] = Crc32c(document.dump(2));
    return document.dump(2) + "\n";
  } catch (const json::exception&) {  // text that is no UTF-8
    return "";
  }
}

void Parse(const std::string& text) {
  SnapshotManifest manifest;
  if (!Takes([&] { manifest = ParseSnapshotManifest(text, "input"); })) return;
  Require(manifest.dimension >= 1 && manifest.size >= 0, "sound numbers");
  const std::string written = SnapshotManifestToJson(manifest);
  Require(SnapshotManifestToJson(ParseSnapshotManifest(written, "written")) == written,
          "the same manifest when written again");
}

}  // namespace fluke::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fluke;  // NOLINT: a harness
  const std::string text(fuzz::Text(data, size));
  fuzz::Parse(text);
  fuzz::Parse(fuzz::WithRightChecksum(text));
  const auto current = fuzz::FileOf(text, "CURRENT");
  fuzz::Takes([&] {
    fuzz::Require(layout::ReadCurrent(current.parent_path()) >= 1, "a snapshot's number");
  });
  return 0;
}
