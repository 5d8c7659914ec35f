#include "cli/local_build.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include <spdlog/spdlog.h>

#include "cli/manifest_split.h"
#include "common/error.h"
#include "common/files.h"
#include "common/manifest.h"
#include "index/change_log.h"
#include "index/folder_lock.h"
#include "index/layout.h"
#include "index/local/live_local_index.h"
#include "index/local/local_files.h"
#include "index/local/local_index.h"
#include "index/reader.h"

namespace fluke::cli {

namespace {

// The options that building and adding share.
CLI::Option* DeclareSource(CLI::App& verb, const std::string& help,
                           LocalBuildArguments& arguments) {
  CLI::Option* local = verb.add_option("--local", arguments.manifest, help);
  verb.add_option("--split", arguments.split, "With --local: only the rows of this split")
      ->needs(local);
  verb.add_option("--threads", arguments.extraction.threads,
                  "With --local: photographs at a time; 0: one a core")
      ->needs(local);
  verb.add_flag("--skip-bad", arguments.extraction.skip_bad,
                "With --local: leave unreadable photographs out and list them")
      ->needs(local);
  return local;
}

// Hands the manifest's photographs to `use`, then calls `finish`.
nlohmann::ordered_json Extract(const LocalBuildArguments& arguments,
                               const std::filesystem::path& index, const ExtractedPhoto& use,
                               const std::function<void()>& finish) {
  std::vector<BadRow> bad;
  const Manifest manifest =
      SplitOf(arguments.extraction.skip_bad ? ReadManifestSkippingBad(arguments.manifest, &bad)
                                            : ReadManifest(arguments.manifest),
              arguments.split);
  const auto begin = std::chrono::steady_clock::now();
  const Extraction extraction = ExtractManifest(manifest, arguments.extraction, use);
  const auto extracted = std::chrono::steady_clock::now();
  finish();
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

}  // namespace

void DeclareLocalBuild(CLI::App& verb, LocalBuildArguments& arguments) {
  KeyPointOptions& options = arguments.extraction.key_points;
  CLI::Option* local = DeclareSource(
      verb,
      "Manifest whose photographs' key points are indexed, with embeddings or without: local "
      "evidence, which needs no training",
      arguments);
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
}

nlohmann::ordered_json BuildLocal(const LocalBuildArguments& arguments,
                                  const std::filesystem::path& index) {
  MakeFolder(index);
  const FolderLock lock(layout::LockFile(index));
  LocalWriter writer(index, arguments.extraction.key_points);
  return Extract(
      arguments, index,
      [&](const ManifestItem& item, const LocalFeatures& features) {
        writer.Add(ItemOf(item), features);
      },
      [&] { writer.Commit(); });
}

void DeclareLocalAdd(CLI::App& verb, LocalBuildArguments& arguments) {
  DeclareSource(
      verb,
      "Manifest whose photographs' key points come into the local evidence that is there; "
      "known ids are replaced",
      arguments);
}

nlohmann::ordered_json AddLocal(const LocalBuildArguments& arguments,
                                const std::filesystem::path& index) {
  constexpr size_t kPhotosAtOnce = 64;
  LocalBuildArguments as_there = arguments;
  as_there.extraction.key_points = ReadLocalManifest(index).key_points;
  const FolderLock lock(layout::LockFile(index));
  LiveLocalIndex local(index);
  std::vector<Item> items;
  std::vector<LocalFeatures> features;
  const auto put = [&] {
    local.Put(items, features);
    items.clear();
    features.clear();
  };
  return Extract(
      as_there, index,
      [&](const ManifestItem& item, LocalFeatures of_item) {
        items.push_back(ItemOf(item));
        features.push_back(std::move(of_item));
        if (items.size() == kPhotosAtOnce) put();
      },
      put);
}

int64_t RemoveLocal(const std::vector<std::string>& ids, const std::filesystem::path& index) {
  return layout::HoldsLocal(index) ? LiveLocalIndex(index).Remove(ids) : 0;
}

void CompactLocal(const std::filesystem::path& index) {
  if (layout::HoldsLocal(index)) LiveLocalIndex(index).Fold();
}

nlohmann::ordered_json DescribeLocal(const std::filesystem::path& index) {
  if (!layout::HoldsLocal(index)) return nullptr;
  const LocalManifest manifest = ReadLocalManifest(index);
  uint64_t bytes = 0;
  for (const auto& [name, record] : manifest.files) bytes += record.bytes;
  int64_t put = 0, removed = 0;
  ReadLog(layout::LocalFolder(index), kLocalLog, 0, [&](int64_t, const v1::ChangeRecord& record) {
    put += record.put_size();
    removed += record.removed_size();
  });
  const uint64_t memory_bytes = LocalMemoryBytes(manifest);
  const auto photos = static_cast<uint64_t>(std::max<int64_t>(1, manifest.photos));
  return {{"photos", manifest.photos},
          {"key_points", manifest.points},
          {"photos_put_since", put},
          {"photos_removed_since", removed},
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
