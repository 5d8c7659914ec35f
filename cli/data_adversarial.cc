// fluke data adversarial: can train be told from test, and by what?
#include <cmath>
#include <iostream>
#include <memory>

#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "cli/data.h"
#include "cli/embedded_photos.h"
#include "common/curation/adversarial.h"
#include "common/error.h"
#include "common/parallel.h"

namespace fluke::cli {
namespace {

struct AdversarialArguments {
  std::string manifest;
  std::string embeddings;
  AdversarialOptions options;
  std::string out;
  double validation = 0;
  bool whole_identities = false;
  int threads = HardwareThreads();
  bool json = false;
};

std::vector<std::vector<float>> EmbeddingRows(const AdversarialArguments& arguments,
                                              const Manifest& manifest) {
  if (arguments.embeddings.empty()) return {};
  const EmbeddedPhotos photos = ReadEmbeddedPhotos(arguments.embeddings, manifest);
  std::vector<std::vector<float>> rows(manifest.items.size());
  for (size_t row = 0; row < photos.items.size(); ++row) {
    const auto vector = photos.embeddings.vectors.row(static_cast<int64_t>(row));
    rows[photos.items[row]].assign(vector.begin(), vector.end());
  }
  return rows;
}

// p_test of every compared photograph, weight of train's, and val for those most like test.
void WriteWeighted(const AdversarialArguments& arguments, const Manifest& manifest,
                   const AdversarialReport& report) {
  std::vector<ManifestItem> items = ItemsForManifestAt(arguments.out, manifest);
  const std::vector<double> weights = TrainWeights(manifest.items, report, arguments.options);
  const std::vector<bool> val = MatchedValidation(manifest.items, report, arguments.options,
                                                  arguments.validation, arguments.whole_identities);
  for (size_t i = 0; i < items.size(); ++i) {
    if (std::isnan(report.p_test[i])) continue;
    items[i].metadata["p_test"] = absl::StrFormat("%.6g", report.p_test[i]);
    if (!std::isnan(weights[i])) items[i].metadata["weight"] = absl::StrFormat("%.6g", weights[i]);
    if (val[i]) items[i].split = "val";
  }
  WriteManifestCsv(arguments.out, items);
}

void Print(const AdversarialArguments& arguments, const AdversarialReport& report,
           size_t unreadable) {
  if (arguments.json) {
    nlohmann::ordered_json features = nlohmann::ordered_json::array();
    for (const FeatureAuc& feature : report.features) {
      features.push_back({{"name", feature.name},
                          {"auc", feature.auc},
                          {"z", feature.z},
                          {"photos", feature.known}});
    }
    std::cout << nlohmann::ordered_json{{"train", report.train},
                                        {"test", report.test},
                                        {"unreadable", unreadable},
                                        {"auc", report.auc},
                                        {"features", features}}
                     .dump()
              << "\n";
    return;
  }
  std::cout << absl::StrFormat(
      "AUC %.3f over all features, of %d train and %d test photographs (.5: they cannot be told "
      "apart)\n\n%-24s %6s %8s %8s\n",
      report.auc, report.train, report.test, "feature alone", "AUC", "z", "photos");
  for (const FeatureAuc& feature : report.features) {
    std::cout << absl::StrFormat("%-24s %6.3f %8.1f %8d  %s in test\n", feature.name, feature.auc,
                                 feature.z, feature.known, feature.auc > .5 ? "larger" : "smaller");
  }
  if (!arguments.out.empty()) std::cout << "\nweights -> " << arguments.out << "\n";
}

void Adversarial(const AdversarialArguments& arguments) {
  if (arguments.validation > 0 && arguments.out.empty())
    InvalidArgument("--validation writes a manifest; name it by --out");
  const Manifest manifest = ReadManifest(arguments.manifest);
  const FeatureTable features =
      PhotoFeatures(manifest, FolderOfPhotographs(manifest), arguments.threads);
  for (const BadRow& bad : features.unreadable)
    spdlog::warn("left out {} (line {}): {}", bad.path, bad.line, bad.reason);
  const AdversarialReport report = CompareSplits(
      manifest.items, features, EmbeddingRows(arguments, manifest), arguments.options);
  if (!arguments.out.empty()) WriteWeighted(arguments, manifest, report);
  Print(arguments, report, features.unreadable.size());
}

}  // namespace

void DeclareAdversarial(CLI::App& verb) {
  const auto arguments = std::make_shared<AdversarialArguments>();
  AdversarialOptions& options = arguments->options;
  verb.add_option("manifest", arguments->manifest, "CSV, folder or zip with splits")->required();
  verb.add_option("--embeddings", arguments->embeddings,
                  "Embeddings folder of it: the classifier sees them, too");
  verb.add_option("--train", options.train_split, "Split that is compared")->capture_default_str();
  verb.add_option("--test", options.test_split, "With this one")->capture_default_str();
  verb.add_option("--folds", options.folds, "Of the cross-validation")
      ->check(CLI::Range(2, 100))
      ->capture_default_str();
  verb.add_option("--penalty-c", options.c, "C of the logistic regression: smaller is smoother")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_option("--seed", options.seed, "Draws the folds; otherwise by SHA-1");
  verb.add_option("--out", arguments->out, "Manifest to write with weight and p_test columns");
  verb.add_option("--validation", arguments->validation,
                  "Share of train that becomes val: the photographs most like test")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  verb.add_flag("--whole-identities", arguments->whole_identities, "Identities instead");
  verb.add_option("--threads", arguments->threads, "Photographs opened at a time")
      ->check(CLI::PositiveNumber);
  verb.add_flag("--json", arguments->json, "Print one JSON document");
  verb.callback([arguments] { Adversarial(*arguments); });
}

}  // namespace fluke::cli
