// fluke data duplicates: the same photograph twice, nearly the same, and what leaks between splits.
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "cli/data.h"
#include "cli/embedded_photos.h"
#include "common/curation/duplicates.h"
#include "common/error.h"
#include "common/files.h"
#include "common/parallel.h"
#include "common/table.h"

namespace fluke::cli {
namespace {

struct DuplicatesArguments {
  std::string manifest;
  std::string hash = "phash";
  int distance = 6;
  std::string embeddings;
  double min_cosine = .95;
  int neighbors = 20;
  bool whole = false;
  std::string out;
  std::string clean;
  int threads = HardwareThreads();
  bool json = false;
};

std::vector<DuplicatePair> AllPairs(const DuplicatesArguments& arguments, const Manifest& manifest,
                                    const HashedPhotographs& hashed) {
  std::vector<DuplicatePair> pairs =
      PairsByHash(manifest, hashed, arguments.distance, arguments.threads);
  if (arguments.embeddings.empty()) return pairs;
  const EmbeddedPhotos photos = ReadEmbeddedPhotos(arguments.embeddings, manifest);
  const std::vector<DuplicatePair> more =
      PairsByEmbedding(manifest, photos.items,
                       NearestOthers(photos.embeddings, arguments.neighbors), arguments.min_cosine);
  pairs.insert(pairs.end(), more.begin(), more.end());
  return pairs;
}

void WriteClean(const DuplicatesArguments& arguments, const Manifest& manifest,
                const std::vector<std::vector<size_t>>& groups, const HashedPhotographs& hashed) {
  const std::vector<bool> keep = KeepOneOfEach(manifest.items, groups, hashed.sizes);
  const std::vector<ManifestItem> moved = ItemsForManifestAt(arguments.clean, manifest);
  std::vector<ManifestItem> kept;
  for (size_t i = 0; i < moved.size(); ++i) {
    if (keep[i]) kept.push_back(moved[i]);
  }
  WriteManifestCsv(arguments.clean, kept);
}

void Print(const DuplicatesArguments& arguments, size_t photos, const DuplicateReport& report,
           size_t unreadable) {
  if (arguments.json) {
    std::cout << nlohmann::ordered_json{{"photos", photos},
                                        {"groups", report.groups},
                                        {"duplicate_photos", report.photos},
                                        {"surplus", report.surplus},
                                        {"leaking_groups", report.leaking_groups},
                                        {"leaking_photos", report.leaking_photos},
                                        {"conflicting_groups", report.conflicting_groups},
                                        {"unreadable", unreadable}}
                     .dump()
              << "\n";
    return;
  }
  std::cout << photos << " photographs, " << report.photos << " of them in " << report.groups
            << " groups of duplicates (" << report.surplus << " more than one of each)\n"
            << report.leaking_groups << " groups stand in several splits: " << report.leaking_photos
            << " photographs that are tested on leak\n"
            << report.conflicting_groups << " groups have several identities\n";
  if (!arguments.out.empty()) std::cout << "groups -> " << arguments.out << "\n";
  if (!arguments.clean.empty()) std::cout << "one of each -> " << arguments.clean << "\n";
}

void Duplicates(const DuplicatesArguments& arguments) {
  const ImageHashKind& kind = Find(ImageHashKinds(), "hash", arguments.hash);
  const Manifest manifest = ReadManifest(arguments.manifest);
  Manifest looked_at = manifest;
  if (arguments.whole) {
    for (ManifestItem& item : looked_at.items) item.box.reset();
  }
  const HashedPhotographs hashed = HashPhotographs(looked_at, kind, arguments.threads);
  for (const BadRow& bad : hashed.unreadable)
    spdlog::warn("left out {} (line {}): {}", bad.path, bad.line, bad.reason);
  const std::vector<DuplicatePair> pairs = AllPairs(arguments, looked_at, hashed);
  const auto groups = GroupPairs(manifest.items.size(), pairs);
  if (!arguments.out.empty())
    WriteFileAtomically(arguments.out, DuplicatesCsv(manifest.items, groups, pairs));
  if (!arguments.clean.empty()) WriteClean(arguments, manifest, groups, hashed);
  Print(arguments, manifest.items.size(), ReportDuplicates(manifest.items, groups),
        hashed.unreadable.size());
}

}  // namespace

void DeclareDuplicates(CLI::App& verb) {
  const auto arguments = std::make_shared<DuplicatesArguments>();
  verb.add_option("manifest", arguments->manifest, "CSV, folder of folders, idx.gz or zip")
      ->required();
  verb.add_option("--hash", arguments->hash, StrJoin(Names(ImageHashKinds()), " or "))
      ->capture_default_str();
  verb.add_option("--distance", arguments->distance,
                  "Bits of 64 that near duplicates may differ in; 0: equal hashes")
      ->check(CLI::Range(0, 32))
      ->capture_default_str();
  CLI::Option* embeddings = verb.add_option(
      "--embeddings", arguments->embeddings,
      "Embeddings folder of the manifest: photographs that a model finds alike, too");
  verb.add_option("--min-cosine", arguments->min_cosine, "From which on they are")
      ->check(CLI::Range(-1.0, 1.0))
      ->needs(embeddings)
      ->capture_default_str();
  verb.add_option("--neighbors", arguments->neighbors, "Nearest of each that are looked at")
      ->check(CLI::Range(1, 1000))
      ->needs(embeddings)
      ->capture_default_str();
  verb.add_flag("--whole", arguments->whole, "Look at whole photographs, not at their boxes");
  verb.add_option("--out", arguments->out,
                  "CSV to write: group, path, identity, split, like, likeness, distance");
  verb.add_option("--clean", arguments->clean,
                  "Manifest to write with one of each group: that of test before val before train, "
                  "then the largest");
  verb.add_option("--threads", arguments->threads, "Photographs opened at a time")
      ->check(CLI::PositiveNumber);
  verb.add_flag("--json", arguments->json, "Print one JSON document");
  verb.callback([arguments] { Duplicates(*arguments); });
}

}  // namespace fluke::cli
