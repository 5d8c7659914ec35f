#include "index/local/evidence_calibration.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "common/error.h"
#include "common/files.h"
#include "common/table.h"
#include "index/sealed_json.h"

namespace fluke {
namespace {

using nlohmann::json;

constexpr int kCalibrationFormatVersion = 1;
constexpr uint64_t kMostCalibrationBytes = 64 << 20;

// A photograph that both indexes hold.
struct Known {
  int64_t photo = 0;  // in the local evidence
  int64_t row = 0;    // in the index of embeddings
};

std::vector<Known> PhotographsOfSeveral(const LocalIndex& local, const VectorIndex& global) {
  std::map<int32_t, std::vector<Known>> of_individual;
  for (int64_t photo = 0; photo < local.photos(); ++photo) {
    const int32_t identity = local.identity_number(photo);
    const std::string id = local.item(photo).id;
    if (local.FindPhoto(id) != photo) continue;  // replaced or removed since
    const auto row = identity < 0 ? std::nullopt : global.FindItem(id);
    if (row) of_individual[identity].push_back({.photo = photo, .row = *row});
  }
  std::vector<Known> photographs;
  for (const auto& [identity, known] : of_individual) {
    if (known.size() > 1) photographs.insert(photographs.end(), known.begin(), known.end());
  }
  return photographs;
}

}  // namespace

std::vector<double> LocalScores(const LocalIndex& local, const VectorIndex& global,
                                const LocalFeatures& query, std::span<const Neighbor> neighbors,
                                const LocalSearchOptions& options, int64_t left_out) {
  std::vector<int64_t> photos;
  std::vector<size_t> places;  // of those, among the neighbours
  for (size_t i = 0; i < neighbors.size(); ++i) {
    if (const auto photo = local.FindPhoto(global.item(neighbors[i].row).id)) {
      photos.push_back(*photo);
      places.push_back(i);
    }
  }
  std::vector<double> scores(neighbors.size(), 0);
  const std::vector<LocalHit> hits = local.Score(query, photos, options, left_out);
  for (size_t i = 0; i < hits.size(); ++i) scores[places[i]] = hits[i].score;
  return scores;
}

EvidenceCalibration CalibrateEvidence(const LocalIndex& local, const VectorIndex& global,
                                      const CalibrateOptions& options) {
  const CalibrationMethod& method =
      Find(CalibrationMethods(), "calibration method", options.method);
  const std::vector<Known> photographs = PhotographsOfSeveral(local, global);
  if (photographs.empty()) {
    InvalidArgument(
        "calibration: no individual has two photographs in both the embeddings and the local "
        "evidence");
  }
  const auto all = static_cast<int64_t>(photographs.size());
  const int64_t count = std::min(all, std::max<int64_t>(1, options.max_queries));
  std::vector<ScoredPair> global_pairs, local_pairs;
  for (int64_t i = 0; i < count; ++i) {
    const Known& query = photographs[static_cast<size_t>(i * all / count)];
    const int32_t identity = local.identity_number(query.photo);
    const std::vector<int64_t> without = {query.row};
    const std::vector<Neighbor> neighbors =
        global.Search(global.vector(query.row), {.k = options.shortlist}, without).at(0);
    const std::vector<double> scores = LocalScores(local, global, local.features(query.photo),
                                                   neighbors, options.search, query.photo);
    for (size_t j = 0; j < neighbors.size(); ++j) {
      const auto photo = local.FindPhoto(global.item(neighbors[j].row).id);
      if (!photo || local.identity_number(*photo) < 0) continue;
      const bool same = local.identity_number(*photo) == identity;
      global_pairs.push_back({.score = neighbors[j].score, .same = same});
      local_pairs.push_back({.score = scores[j], .same = same});
    }
  }
  return {.fingerprint = global.Describe().fingerprint,
          .key_points = local.manifest().key_points,
          .queries = count,
          .pairs = static_cast<int64_t>(global_pairs.size()),
          .global = method.fit(global_pairs),
          .local = method.fit(local_pairs)};
}

void WriteEvidenceCalibration(const std::filesystem::path& index,
                              const EvidenceCalibration& calibration) {
  WriteFileAtomically(
      layout::CalibrationFile(index),
      SealedJson({{"format_version", kCalibrationFormatVersion},
                  {"fingerprint", calibration.fingerprint},
                  {"key_point_options", KeyPointOptionsToJson(calibration.key_points)},
                  {"queries", calibration.queries},
                  {"pairs", calibration.pairs},
                  {"global", CalibrationToJson(calibration.global)},
                  {"local", CalibrationToJson(calibration.local)}}));
}

EvidenceCalibration ReadEvidenceCalibration(const std::filesystem::path& index) {
  const std::filesystem::path path = layout::CalibrationFile(index);
  if (!std::filesystem::exists(path)) {
    NotFound(path.string(), ": no such file; fluke index calibrate makes it");
  }
  const json document = OpenSealedJson(ReadFile(path, kMostCalibrationBytes), path.string());
  try {
    if (const int version = document.at("format_version").get<int>();
        version != kCalibrationFormatVersion) {
      Throw(absl::StatusCode::kFailedPrecondition, path, ": calibration of format ", version,
            ", this fluke reads ", kCalibrationFormatVersion);
    }
    return {.fingerprint = document.at("fingerprint").get<std::string>(),
            .key_points = KeyPointOptionsFromJson(document.at("key_point_options")),
            .queries = document.at("queries").get<int64_t>(),
            .pairs = document.at("pairs").get<int64_t>(),
            .global = CalibrationFromJson(document.at("global")),
            .local = CalibrationFromJson(document.at("local"))};
  } catch (const json::exception& error) {
    DataLoss(path.string(), ": damaged: ", error.what());
  }
}

void CheckCalibrationFits(const EvidenceCalibration& calibration, const LocalManifest& local,
                          const IndexInfo& global) {
  const auto refuse = [](const auto&... what) {
    Throw(absl::StatusCode::kFailedPrecondition, "the calibration was learned with ", what...,
          "; run fluke index calibrate again");
  };
  if (calibration.key_points != local.key_points) refuse("other key point options");
  if (!calibration.fingerprint.empty() && !global.fingerprint.empty() &&
      calibration.fingerprint != global.fingerprint) {
    refuse("the model ", calibration.fingerprint, ", the index has ", global.fingerprint);
  }
}

std::vector<Neighbor> CombinedRanking(std::span<const Neighbor> neighbors,
                                      std::span<const double> local_scores,
                                      const EvidenceCalibration& calibration) {
  std::vector<Neighbor> combined(neighbors.begin(), neighbors.end());
  for (size_t i = 0; i < combined.size(); ++i) {
    combined[i].score = static_cast<float>((calibration.global.Probability(neighbors[i].score) +
                                            calibration.local.Probability(local_scores[i])) /
                                           2);
  }
  std::stable_sort(combined.begin(), combined.end(),
                   [](const Neighbor& a, const Neighbor& b) { return a.score > b.score; });
  return combined;
}

}  // namespace fluke
