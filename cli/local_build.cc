#include "cli/local_build.h"

#include <algorithm>
#include <chrono>

#include <spdlog/spdlog.h>

#include "cli/manifest_split.h"
#include "common/error.h"
#include "common/manifest.h"
#include "index/local/local_files.h"
#include "index/local/local_index.h"
#include "index/reader.h"

namespace fluke::cli {

void DeclareLocalBuild(CLI::App& verb, LocalBuildArguments& arguments) {
  KeyPointOptions& options = arguments.extraction.key_points;
  CLI::Option* local = verb.add_option(
      "--local", arguments.manifest,
      "Manifest whose photographs' key points are indexed, with embeddings or without: local "
      "evidence, which needs no training");
  verb.add_option("--split", arguments.split, "With --local: only the rows of this split")
      ->needs(local);
  verb.add_option("--side", options.side_px,
                  "With --local: the longer side, px, at which photographs are looked at")
      ->needs(local)
      ->capture_default_str();
  verb.add_option("--max-key-points", options.max_key_points,
                  "With --local: of a photograph, those with the strongest contrast")
      ->needs(local)
      ->capture_default_str();
  verb.add_option("--contrast", options.contrast_threshold,
                  "With --local: SIFT's contrast threshold; lower finds fainter key points")
      ->needs(local)
      ->capture_default_str();
  verb.add_option("--edge", options.edge_threshold,
                  "With --local: SIFT's edge threshold; higher keeps more along edges")
      ->needs(local)
      ->capture_default_str();
  verb.add_option("--threads", arguments.extraction.threads,
                  "With --local: photographs at a time; 0: one a core")
      ->needs(local);
  verb.add_flag("--skip-bad", arguments.extraction.skip_bad,
                "With --local: leave unreadable photographs out and list them")
      ->needs(local);
}

nlohmann::ordered_json BuildLocal(const LocalBuildArguments& arguments,
                                  const std::filesystem::path& index) {
  std::vector<BadRow> bad;
  const Manifest manifest =
      SplitOf(arguments.extraction.skip_bad ? ReadManifestSkippingBad(arguments.manifest, &bad)
                                            : ReadManifest(arguments.manifest),
              arguments.split);
  const auto begin = std::chrono::steady_clock::now();
  LocalWriter writer(index, arguments.extraction.key_points);
  const Extraction extraction = ExtractManifest(
      manifest, arguments.extraction, [&](const ManifestItem& item, const LocalFeatures& features) {
        writer.Add(ItemOf(item), features);
      });
  const auto extracted = std::chrono::steady_clock::now();
  writer.Commit();
  const auto seconds = [](auto from, auto to) {
    return std::chrono::duration<double>(to - from).count();
  };
  bad.insert(bad.end(), extraction.bad.begin(), extraction.bad.end());
  for (const BadRow& row : bad) {
    spdlog::warn("left out {} (line {}): {}", row.path, row.line, row.reason);
  }
  nlohmann::ordered_json report = DescribeLocal(index);
  report["extract_ms_per_photo"] =
      1000 * extraction.extract_s / static_cast<double>(std::max<int64_t>(1, extraction.photos));
  report["extract_s"] = seconds(begin, extracted);
  report["index_s"] = seconds(extracted, std::chrono::steady_clock::now());
  report["left_out"] = bad.size();
  return report;
}

nlohmann::ordered_json DescribeLocal(const std::filesystem::path& index) {
  if (!layout::HoldsLocal(index)) return nullptr;
  const LocalManifest manifest = ReadLocalManifest(index);
  uint64_t bytes = 0;
  for (const auto& [name, record] : manifest.files) bytes += record.bytes;
  const uint64_t memory_bytes = LocalMemoryBytes(manifest);
  const auto photos = static_cast<uint64_t>(std::max<int64_t>(1, manifest.photos));
  return {{"photos", manifest.photos},
          {"key_points", manifest.points},
          {"side_px", manifest.key_points.side_px},
          {"max_key_points", manifest.key_points.max_key_points},
          {"bytes", bytes},
          {"memory_bytes", memory_bytes},
          {"memory_bytes_per_photo", memory_bytes / photos}};
}

void DeclareLocalCalibrate(CLI::App& verb, CalibrateArguments& arguments) {
  verb.add_option("--index", arguments.index, "Index folder with embeddings and local evidence")
      ->required();
  verb.add_option("--from", arguments.from,
                  "Index folder to learn from, of individuals that its model was not trained on: "
                  "embeddings look better than they are where it was; default: the same");
  verb.add_flag("--sibling", arguments.sibling,
                "The embeddings of --from are of another model, which was trained in the same way "
                "but without these individuals");
  std::string methods;
  for (const CalibrationMethod& method : CalibrationMethods()) {
    methods += StrCat("\n", method.name, ": ", method.help);
  }
  verb.add_option("--method", arguments.options.method, "What curve:" + methods)
      ->capture_default_str();
  verb.add_option("--shortlist", arguments.options.shortlist,
                  "Nearest by embedding that a photograph is compared with")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  verb.add_option("--max-queries", arguments.options.max_queries, "Photographs tried")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
}

nlohmann::ordered_json CalibrateLocal(const CalibrateArguments& arguments) {
  const std::string from = arguments.from.empty() ? arguments.index : arguments.from;
  const auto global = OpenIndex(from);
  const IndexInfo info = OpenIndex(arguments.index)->Describe();
  EvidenceCalibration calibration = CalibrateEvidence(LocalIndex(from), *global, arguments.options);
  if (arguments.sibling) calibration.fingerprint = info.fingerprint;
  CheckCalibrationFits(calibration, ReadLocalManifest(arguments.index), info);
  WriteEvidenceCalibration(arguments.index, calibration);
  return {{"queries", calibration.queries},
          {"pairs", calibration.pairs},
          {"method", arguments.options.method}};
}

}  // namespace fluke::cli
