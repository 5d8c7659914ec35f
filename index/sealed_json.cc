#include "index/sealed_json.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "common/crc32c.h"
#include "common/error.h"

namespace fluke {
namespace {

using nlohmann::json;

constexpr size_t kChecksumBlockBytes = 16 << 20;
constexpr char kChecksumKey[] = "manifest_crc32c";

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

std::string SealedJson(json document) {
  document.erase(kChecksumKey);
  document[kChecksumKey] = Crc32c(document.dump(2));
  return document.dump(2) + "\n";
}

json OpenSealedJson(std::string_view text, const std::string& name) {
  json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) DataLoss(name, ": damaged: not a JSON object");
  try {
    if (SealedJson(document) != text) DataLoss(name, ": damaged: its CRC-32C does not match");
  } catch (const json::exception& error) {
    DataLoss(name, ": damaged: ", error.what());
  }
  return document;
}

json FileRecordsToJson(const FileRecords& files) {
  json records = json::object();
  for (const auto& [name, record] : files) {
    records[name] = {{"bytes", record.bytes}, {"crc32c", record.crc32c}};
  }
  return records;
}

FileRecords FileRecordsFromJson(const json& document) {
  FileRecords files;
  for (const auto& [name, file] : document.items()) {
    files[name] = {.bytes = file.at("bytes").get<uint64_t>(),
                   .crc32c = file.at("crc32c").get<uint32_t>()};
  }
  return files;
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
