#include "index/snapshot_manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "common/crc32c.h"
#include "common/error.h"
#include "common/files.h"

namespace fluke {
namespace {

using nlohmann::json;

constexpr size_t kChecksumBlockBytes = 16 << 20;
constexpr char kChecksumKey[] = "manifest_crc32c";

// With its checksum over the same document without it.
std::string Sealed(json document) {
  document.erase(kChecksumKey);
  document[kChecksumKey] = Crc32c(document.dump(2));
  return document.dump(2) + "\n";
}

SnapshotManifest FromJson(const json& document) {
  SnapshotManifest manifest;
  manifest.factory = document.at("factory").get<std::string>();
  manifest.similarity = ParseSimilarity(document.at("metric").get<std::string>());
  manifest.dimension = document.at("dimension").get<int64_t>();
  manifest.size = document.at("size").get<int64_t>();
  manifest.trained_size = document.at("trained_size").get<int64_t>();
  manifest.fingerprint = document.at("fingerprint").get<std::string>();
  const json& search = document.at("search");
  manifest.target_recall = search.value("target_recall", 0.0);  // older ones have none
  manifest.search = {.nprobe = search.at("nprobe").get<int>(),
                     .ef_search = search.at("ef_search").get<int>(),
                     .refine_factor = search.at("refine_factor").get<int>()};
  if (const auto log = document.find("log"); log != document.end()) {  // older ones have none
    manifest.log_origin = log->at("origin").get<int64_t>();
    manifest.log_sequence = log->at("sequence").get<int64_t>();
  }
  for (const auto& [name, file] : document.at("files").items()) {
    manifest.files[name] = {.bytes = file.at("bytes").get<uint64_t>(),
                            .crc32c = file.at("crc32c").get<uint32_t>()};
  }
  return manifest;
}

uint32_t ChecksumOf(const MappedFile& file) {
  uint32_t crc = 0;
  for (size_t begin = 0; begin < file.bytes().size(); begin += kChecksumBlockBytes) {
    const auto block =
        file.bytes().subspan(begin, std::min(kChecksumBlockBytes, file.bytes().size() - begin));
    crc = Crc32c(block.data(), block.size(), crc);
    file.Release(block);
  }
  return crc;
}

}  // namespace

std::string SnapshotManifestToJson(const SnapshotManifest& manifest) {
  json files = json::object();
  for (const auto& [name, record] : manifest.files) {
    files[name] = {{"bytes", record.bytes}, {"crc32c", record.crc32c}};
  }
  return Sealed({{"format_version", kIndexFormatVersion},
                 {"factory", manifest.factory},
                 {"metric", std::string(SimilarityName(manifest.similarity))},
                 {"dimension", manifest.dimension},
                 {"size", manifest.size},
                 {"trained_size", manifest.trained_size},
                 {"fingerprint", manifest.fingerprint},
                 {"search",
                  {{"nprobe", manifest.search.nprobe},
                   {"ef_search", manifest.search.ef_search},
                   {"target_recall", manifest.target_recall},
                   {"refine_factor", manifest.search.refine_factor}}},
                 {"log", {{"origin", manifest.log_origin}, {"sequence", manifest.log_sequence}}},
                 {"files", files}});
}

SnapshotManifest ParseSnapshotManifest(std::string_view text, const std::string& name) {
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) DataLoss(name, ": damaged: not a JSON object");
  try {
    if (Sealed(document) != text) DataLoss(name, ": damaged: its CRC-32C does not match");
    const int version = document.at("format_version").get<int>();
    if (version != kIndexFormatVersion) {
      Throw(absl::StatusCode::kFailedPrecondition, name, ": index format ", version,
            ", this fluke reads ", kIndexFormatVersion);
    }
    SnapshotManifest manifest = FromJson(document);
    if (manifest.log_origin < 0 || manifest.log_sequence < 0) {
      DataLoss(name, ": damaged: change ", manifest.log_sequence, " of log ", manifest.log_origin);
    }
    if (manifest.dimension < 1 || manifest.size < 0) {
      DataLoss(name, ": ", manifest.size, " items of dimension ", manifest.dimension);
    }
    return manifest;
  } catch (const json::exception& error) {
    DataLoss(name, ": damaged: ", error.what());
  }
}

FileRecord MeasureFile(const std::filesystem::path& path) {
  const MappedFile file(path);
  return {.bytes = file.bytes().size(), .crc32c = ChecksumOf(file)};
}

void CheckBytes(const MappedFile& file, const FileRecord& expected,
                const std::filesystem::path& path) {
  if (file.bytes().size() != expected.bytes) {
    DataLoss(path.string(), ": damaged: ", file.bytes().size(), " bytes, expected ",
             expected.bytes);
  }
  if (const uint32_t crc = ChecksumOf(file); crc != expected.crc32c) {
    DataLoss(path.string(), ": damaged: CRC-32C ", absl::StrFormat("%08x", crc), ", expected ",
             absl::StrFormat("%08x", expected.crc32c));
  }
}

}  // namespace fluke
