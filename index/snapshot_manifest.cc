#include "index/snapshot_manifest.h"

#include <nlohmann/json.hpp>

#include "common/error.h"

namespace fluke {
namespace {

using nlohmann::json;

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
  manifest.files = FileRecordsFromJson(document.at("files"));
  return manifest;
}

}  // namespace

std::string SnapshotManifestToJson(const SnapshotManifest& manifest) {
  return SealedJson(
      {{"format_version", kIndexFormatVersion},
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
       {"files", FileRecordsToJson(manifest.files)}});
}

SnapshotManifest ParseSnapshotManifest(std::string_view text, const std::string& name) {
  const json document = OpenSealedJson(text, name);
  try {
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

}  // namespace fluke
