// JSON documents that carry their own CRC-32C, so that nothing read from them is taken on trust,
// and the records of files in them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "common/files.h"

namespace fluke {

// With its checksum over the same document without it.
std::string SealedJson(nlohmann::json document);

// The document that SealedJson wrote; `name` stands in errors. Throws DataLoss for anything else.
nlohmann::json OpenSealedJson(std::string_view text, const std::string& name);

struct FileRecord {
  uint64_t bytes = 0;
  uint32_t crc32c = 0;
  bool operator==(const FileRecord&) const = default;
};

// By name.
using FileRecords = std::map<std::string, FileRecord>;

nlohmann::json FileRecordsToJson(const FileRecords& files);
FileRecords FileRecordsFromJson(const nlohmann::json& document);  // throws as nlohmann's at() does

// Size and checksum of a file as it is on disk.
FileRecord MeasureFile(const std::filesystem::path& path);

// Throws DataLoss when the file's bytes are not the recorded ones. Gives their pages back.
void CheckBytes(const MappedFile& file, const FileRecord& expected,
                const std::filesystem::path& path);

}  // namespace fluke
