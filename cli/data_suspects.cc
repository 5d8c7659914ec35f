// fluke data suspects: photographs whose identity their neighbours contradict.
#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "cli/data.h"
#include "cli/embedded_photos.h"
#include "common/csv.h"
#include "common/curation/label_suspects.h"
#include "common/files.h"

namespace fluke::cli {
namespace {

struct SuspectsArguments {
  std::string manifest;
  std::string embeddings;
  std::string out;
  int neighbors = 10;
  SuspectOptions options;
  bool json = false;
};

std::string SuspectsCsv(const std::vector<LabelSuspect>& suspects, const EmbeddedPhotos& photos) {
  std::string csv = CsvLine({"path", "identity", "suggested", "p_identity", "p_suggested", "votes",
                             "own_photos", "unanimous", "confident"});
  for (const LabelSuspect& suspect : suspects) {
    const Item& item = photos.embeddings.items[suspect.row];
    csv += CsvLine({item.path, item.identity, suspect.suggested,
                    absl::StrFormat("%.4f", suspect.p_own),
                    absl::StrFormat("%.4f", suspect.p_suggested), std::to_string(suspect.votes),
                    std::to_string(suspect.own_photos), suspect.unanimous ? "true" : "false",
                    suspect.confident ? "true" : "false"});
  }
  return csv;
}

void Suspects(const SuspectsArguments& arguments) {
  const Manifest manifest = ReadManifest(arguments.manifest);
  EmbeddedPhotos photos = ReadEmbeddedPhotos(arguments.embeddings, manifest);
  std::vector<std::string> identities;
  for (size_t row = 0; row < photos.items.size(); ++row) {
    const ManifestItem& item = manifest.items[photos.items[row]];
    photos.embeddings.items[row].identity = item.identity;  // the manifest may be newer
    photos.embeddings.items[row].path = item.path;
    identities.push_back(item.identity);
  }
  const std::vector<LabelSuspect> suspects = FindLabelSuspects(
      identities, NearestOthers(photos.embeddings, arguments.neighbors), arguments.options);
  const std::string csv = SuspectsCsv(suspects, photos);
  if (!arguments.out.empty()) WriteFileAtomically(arguments.out, csv);
  if (arguments.json) {
    int64_t unanimous = 0, confident = 0;
    for (const LabelSuspect& suspect : suspects) {
      unanimous += suspect.unanimous;
      confident += suspect.confident;
    }
    std::cout << nlohmann::ordered_json{{"photos", identities.size()},
                                        {"suspects", suspects.size()},
                                        {"unanimous", unanimous},
                                        {"confident", confident}}
                     .dump()
              << "\n";
  } else if (arguments.out.empty()) {
    std::cout << csv;
  } else {
    std::cout << suspects.size() << " of " << identities.size() << " photographs -> "
              << arguments.out << "\n";
  }
}

}  // namespace

void DeclareSuspects(CLI::App& verb) {
  const auto arguments = std::make_shared<SuspectsArguments>();
  verb.add_option("manifest", arguments->manifest, "CSV, folder of folders, idx.gz or zip")
      ->required();
  verb.add_option("--embeddings", arguments->embeddings,
                  "Embeddings folder of it, best of models that were not trained on it")
      ->required();
  verb.add_option("--out", arguments->out,
                  "CSV to write, most contradicted first; stdout otherwise");
  verb.add_option("--neighbors", arguments->neighbors, "Nearest of each that vote")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb.add_option("--unanimous", arguments->options.unanimous,
                  "So many nearest of one other identity are suspicious by themselves")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb.add_option("--temperature", arguments->options.temperature,
                  "Of votes: a neighbour counts exp(cosine / temperature)")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_flag("--json", arguments->json, "Print counts as one JSON document");
  verb.callback([arguments] { Suspects(*arguments); });
}

}  // namespace fluke::cli
