// fluke data pseudo-labels: a manifest in which confident neighbours or classes name the unknown.
#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/data.h"
#include "cli/embedded_photos.h"
#include "common/curation/pseudo_labels.h"
#include "common/error.h"

namespace fluke::cli {
namespace {

struct PseudoLabelsArguments {
  std::string manifest;
  std::string embeddings;
  std::string predictions;
  std::string out;
  NeighborVote vote;
  PseudoLabelChoice choice;
  bool json = false;
};

// The rows whose items have an identity, or those whose items have none.
EmbeddedPhotos Part(const EmbeddedPhotos& photos, const Manifest& manifest, bool labelled) {
  EmbeddedPhotos part;
  Matrix& vectors = part.embeddings.vectors;
  vectors.cols = photos.embeddings.vectors.cols;
  for (size_t row = 0; row < photos.items.size(); ++row) {
    if (manifest.items[photos.items[row]].identity.empty() == labelled) continue;
    const auto vector = photos.embeddings.vectors.row(static_cast<int64_t>(row));
    vectors.values.insert(vectors.values.end(), vector.begin(), vector.end());
    ++vectors.rows;
    part.items.push_back(photos.items[row]);
  }
  if (part.items.empty()) {
    InvalidArgument(manifest.name, ": no embedded photograph ", labelled ? "with" : "without",
                    " an identity");
  }
  return part;
}

std::vector<PseudoLabel> FromNeighbors(const PseudoLabelsArguments& arguments,
                                       const Manifest& manifest) {
  const EmbeddedPhotos photos = ReadEmbeddedPhotos(arguments.embeddings, manifest);
  const EmbeddedPhotos labelled = Part(photos, manifest, true),
                       unlabelled = Part(photos, manifest, false);
  const auto of_unlabelled =
      NearestOf(unlabelled.embeddings, labelled.embeddings, arguments.vote.agreeing);
  const auto of_labelled =
      arguments.vote.mutual > 0
          ? NearestOf(labelled.embeddings, unlabelled.embeddings, arguments.vote.mutual)
          : std::vector<std::vector<Neighbor>>();
  return LabelsFromNeighbors(manifest.items, unlabelled.items, labelled.items, of_unlabelled,
                             of_labelled, arguments.vote);
}

void PseudoLabels(const PseudoLabelsArguments& arguments) {
  if (arguments.embeddings.empty() == arguments.predictions.empty())
    InvalidArgument("give either --embeddings or --predictions");
  const Manifest manifest = ReadManifest(arguments.manifest);
  const std::vector<PseudoLabel> candidates =
      arguments.predictions.empty() ? FromNeighbors(arguments, manifest)
                                    : LabelsFromPredictions(arguments.predictions, manifest);
  const std::vector<PseudoLabel> labels = Confident(candidates, arguments.choice);
  std::vector<ManifestItem> items = ItemsForManifestAt(arguments.out, manifest);
  int64_t unknown = 0;
  for (const ManifestItem& item : items) unknown += item.identity.empty();
  ApplyPseudoLabels(labels, arguments.choice,
                    arguments.predictions.empty() ? "neighbours" : "classes", &items);
  WriteManifestCsv(arguments.out, items);
  if (arguments.json) {
    std::cout << nlohmann::ordered_json{{"unknown", unknown},
                                        {"candidates", candidates.size()},
                                        {"labelled", labels.size()},
                                        {"least_score", labels.empty() ? 0 : labels.back().score}}
                     .dump()
              << "\n";
    return;
  }
  std::cout << arguments.out << ": " << labels.size() << " of " << unknown
            << " photographs without an identity got one, of " << candidates.size()
            << " candidates\n";
}

}  // namespace

void DeclarePseudoLabels(CLI::App& verb) {
  const auto arguments = std::make_shared<PseudoLabelsArguments>();
  verb.add_option("manifest", arguments->manifest,
                  "CSV or folder; rows without an identity are named")
      ->required();
  verb.add_option("--embeddings", arguments->embeddings,
                  "Embeddings folder: the identity of the nearest labelled photographs");
  verb.add_option("--predictions", arguments->predictions,
                  "CSV instead: path, identity, score of a classifier");
  verb.add_option("--out", arguments->out,
                  "Manifest to write, with weight, provenance, pseudo_score")
      ->required();
  verb.add_option("--min-score", arguments->choice.min_score,
                  "Cosine of the nearest, or score, from which on a label is taken")
      ->capture_default_str();
  verb.add_option("--top-share", arguments->choice.top_share, "Of those, the best share alone")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  verb.add_option("--agree", arguments->vote.agreeing,
                  "So many nearest labelled photographs must be of one identity")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb.add_option("--mutual", arguments->vote.mutual,
                  "It must be among so many nearest of its own nearest, too; 0: need not")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  verb.add_option("--weight", arguments->choice.weight, "Of a pseudo-labelled photograph")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb.add_flag("--weigh-by-score", arguments->choice.weigh_by_score, "Times its score");
  verb.add_flag("--json", arguments->json, "Print one JSON document");
  verb.callback([arguments] { PseudoLabels(*arguments); });
}

}  // namespace fluke::cli
