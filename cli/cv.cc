// fluke cv: cross-validation. Every fold is embedded by a model that was trained on the others.
//
//   RUN/cv.yaml       the resolved config and how folds were made; another one is refused
//   RUN/folds.csv     the manifest, split = fold number
//   RUN/fold_0/       a run folder; fold_0/manifest.csv is what it was trained on, and
//                     fold_0/embeddings its val part: there once the fold is done
//   RUN/embeddings/   all of them, metadata `fold`: out-of-fold embeddings
//   RUN/cv.json       metrics of each fold, mean and spread
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "cli/data.h"
#include "cli/train_config.h"
#include "cli/verbs.h"
#include "common/curation/cross_validation.h"
#include "common/embed_manifest.h"
#include "common/embeddings.h"
#include "common/error.h"
#include "common/files.h"
#include "common/log.h"
#include "common/metrics/retrieval.h"
#include "common/metrics/search.h"
#include "common/sha1.h"
#include "train/embedder.h"
#include "train/trainer.h"

namespace fluke::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct CvArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string run;
  int folds = 5;
  std::string by = "identity";
  SplitRequest request;
  std::vector<std::string> metrics = {"recall@1", "recall@5", "kaggle_map@5", "map@r"};
  train::EmbedderOptions embedder;
  bool json = false;
};

struct FoldResult {
  int64_t photos = 0;
  MetricReport report;
};

class CrossValidation {
 public:
  explicit CrossValidation(const CvArguments& arguments)
      : arguments_(arguments), root_(fs::absolute(arguments.run)) {
    LoadTrainConfig(arguments.config, arguments.overrides, &config_);
    ParseMetrics(arguments.metrics);  // a slip is told before hours of work
  }

  std::vector<FoldResult> Run() {
    Begin();
    std::vector<FoldResult> results;
    for (int fold = 0; fold < arguments_.folds; ++fold) {
      if (!fs::exists(EmbeddingsOf(fold))) {
        LogInfo(StrCat("fold ", fold, " of ", arguments_.folds));
        TrainFold(fold);
        EmbedFold(fold);
      }
      results.push_back(Evaluate(fold));
    }
    Join();
    return results;
  }

 private:
  fs::path FoldFolder(int fold) const { return root_ / StrCat("fold_", fold); }
  fs::path EmbeddingsOf(int fold) const { return FoldFolder(fold) / "embeddings"; }

  // Writes what is to be done, or finds that it is what was begun here.
  void Begin() {
    const fs::path plan_file = root_ / "cv.yaml";
    const std::string seed = arguments_.request.seed ? StrCat(*arguments_.request.seed) : "none";
    const std::string plan =
        StrCat("# fluke cv --folds ", arguments_.folds, " --by ", arguments_.by, ", seed ", seed,
               ", group '", arguments_.request.group_column, "', label '",
               arguments_.request.label_column, "', labels '",
               StrJoin(arguments_.request.label_columns, ","), "'\n", ConfigToYaml(config_));
    if (fs::exists(plan_file)) {
      if (ReadFile(plan_file) == plan) return;
      Throw(absl::StatusCode::kFailedPrecondition, plan_file,
            ": the cross-validation was begun with another config or other folds; go on with the "
            "same, or give another --run");
    }
    MakeFolder(root_);
    Manifest manifest = ReadManifest(config_.data().manifest());
    std::vector<ManifestItem> moved = ItemsForManifestAt(root_ / "folds.csv", manifest);
    SplitRequest request = arguments_.request;
    request.folds = true;
    request.shares.assign(static_cast<size_t>(arguments_.folds), 1.0 / arguments_.folds);
    DivideIntoFolds(arguments_.by, request, &manifest.items);
    for (size_t i = 0; i < moved.size(); ++i) moved[i].split = manifest.items[i].split;
    WriteManifestCsv(root_ / "folds.csv", moved);
    WriteFileAtomically(plan_file, plan);
  }

  fs::path ManifestOf(int fold) const { return FoldFolder(fold) / "manifest.csv"; }

  void TrainFold(int fold) {
    MakeFolder(FoldFolder(fold));
    Manifest folds = ReadManifest(root_ / "folds.csv");
    folds.items = FoldManifest(folds.items, fold);
    WriteManifestCsv(ManifestOf(fold), ItemsForManifestAt(ManifestOf(fold), folds));
    std::vector<std::string> overrides = arguments_.overrides;
    overrides.push_back(StrCat("data.manifest=", ManifestOf(fold)));
    overrides.emplace_back("data.train_split=train");
    overrides.emplace_back("data.val_split=val");
    fluke::v1::TrainConfig config;
    const ConfigSource source = LoadTrainConfig(arguments_.config, overrides, &config);
    train::Train(config, source,
                 {.run = FoldFolder(fold), .resume = true, .stop = StopOnSignals()});
  }

  void EmbedFold(int fold) const {
    Manifest manifest = ReadManifest(ManifestOf(fold));
    std::vector<bool> keep;
    for (const ManifestItem& item : manifest.items) keep.push_back(item.split == "val");
    manifest = Select(manifest, keep);
    const auto embedder = train::OpenEmbedder({FoldFolder(fold).string()}, arguments_.embedder);
    AtomicFolder out(EmbeddingsOf(fold));
    NpyWriter vectors(out.path() / "embeddings.npy", embedder->dimension());
    std::vector<Item> items;
    const EmbedManifestOptions options = {.skip_bad = config_.data().skip_bad()};
    EmbedManifest(*embedder, manifest, options,
                  [&](std::span<const ManifestItem* const> photos, std::span<const float> rows) {
                    vectors.Append(rows);
                    for (const ManifestItem* photo : photos) {
                      items.push_back(ItemOf(*photo));
                      items.back().metadata["split"] = std::to_string(fold);
                      items.back().metadata["fold"] = std::to_string(fold);
                    }
                  });
    vectors.Commit();
    WriteEmbeddingsInfo(out.path(), items, embedder->dimension(), embedder->fingerprint(),
                        {FoldFolder(fold).string()}, ManifestOf(fold).string());
    out.Commit();
  }

  FoldResult Evaluate(int fold) const {
    const Embeddings embeddings = ReadEmbeddings(EmbeddingsOf(fold));
    std::map<std::string, int64_t> number_of;
    std::vector<int64_t> identities;
    for (const Item& item : embeddings.items) {
      identities.push_back(
          item.identity.empty()
              ? -1
              : number_of.emplace(item.identity, static_cast<int64_t>(number_of.size()))
                    .first->second);
    }
    return {embeddings.vectors.rows,
            EvaluateLeaveOneOut(embeddings.vectors.values, embeddings.vectors.rows,
                                embeddings.vectors.cols, identities, arguments_.metrics)};
  }

  // The folds' embeddings as one folder. Vectors of different folds are of different models, which
  // its fingerprint says.
  void Join() const {
    AtomicFolder out(root_ / "embeddings");
    std::optional<NpyWriter> vectors;
    std::vector<Item> items;
    std::vector<std::string> models;
    std::string fingerprints;
    int64_t dimension = 0;
    for (int fold = 0; fold < arguments_.folds; ++fold) {
      Embeddings embeddings = ReadEmbeddings(EmbeddingsOf(fold));
      dimension = embeddings.vectors.cols;
      if (!vectors) vectors.emplace(out.path() / "embeddings.npy", dimension);
      vectors->Append(embeddings.vectors.values);
      std::move(embeddings.items.begin(), embeddings.items.end(), std::back_inserter(items));
      models.push_back(FoldFolder(fold).string());
      fingerprints += embeddings.fingerprint;
    }
    vectors->Commit();
    WriteEmbeddingsInfo(out.path(), items, dimension, Sha1Hex(fingerprints), models,
                        (root_ / "folds.csv").string());
    out.Commit();
  }

  const CvArguments& arguments_;
  const fs::path root_;
  fluke::v1::TrainConfig config_;
};

ordered_json ReportOf(const CvArguments& arguments, const std::vector<FoldResult>& results) {
  ordered_json folds = ordered_json::array(), summary = ordered_json::object();
  for (size_t fold = 0; fold < results.size(); ++fold) {
    ordered_json metrics = ordered_json::object();
    for (const MetricResult& metric : results[fold].report.metrics)
      metrics[metric.name] = metric.value;
    folds.push_back({{"fold", fold},
                     {"photos", results[fold].photos},
                     {"queries", results[fold].report.queries},
                     {"metrics", metrics}});
  }
  for (size_t m = 0; m < arguments.metrics.size(); ++m) {
    std::vector<double> values;
    for (const FoldResult& result : results) values.push_back(result.report.metrics[m].value);
    const FoldSummary of_folds = SummariseFolds(values);
    summary[arguments.metrics[m]] = {{"mean", of_folds.mean},
                                     {"deviation", of_folds.deviation},
                                     {"least", of_folds.least},
                                     {"most", of_folds.most}};
  }
  return {{"run", arguments.run}, {"folds", folds}, {"metrics", summary}};
}

void PrintReport(const ordered_json& report) {
  std::cout << absl::StrFormat("%-16s", "metric");
  for (const auto& fold : report["folds"])
    std::cout << absl::StrFormat(" fold %-3d", fold["fold"].get<int>());
  std::cout << "     mean +- deviation\n";
  for (const auto& [name, summary] : report["metrics"].items()) {
    std::cout << absl::StrFormat("%-16s", name);
    for (const auto& fold : report["folds"])
      std::cout << absl::StrFormat("  %.4f ", fold["metrics"][name].get<double>());
    std::cout << absl::StrFormat("  %.4f +- %.4f\n", summary["mean"].get<double>(),
                                 summary["deviation"].get<double>());
  }
}

void RunCv(const CvArguments& arguments) {
  const std::vector<FoldResult> results = CrossValidation(arguments).Run();
  const ordered_json report = ReportOf(arguments, results);
  WriteFileAtomically(fs::path(arguments.run) / "cv.json", report.dump(2) + "\n");
  if (arguments.json) {
    std::cout << report.dump() << "\n";
  } else {
    PrintReport(report);
  }
}

}  // namespace

void DeclareCv(CLI::App& verb) {
  const auto arguments = std::make_shared<CvArguments>();
  verb.add_option("config", arguments->config, "YAML file, as for fluke train")->required();
  verb.add_option("--set", arguments->overrides, "override a field: train.epochs=3")
      ->take_all()
      ->allow_extra_args(false);
  verb.add_option("--run", arguments->run,
                  "folder to write: fold_0/ .., embeddings/ (out of fold), cv.json; the same "
                  "command goes on where it was ended")
      ->required();
  verb.add_option("--folds", arguments->folds, "how many")
      ->check(CLI::Range(2, 100))
      ->capture_default_str();
  verb.add_option("--by", arguments->by,
                  "how photographs are divided, see fluke list splits; 'test' stays out of it")
      ->capture_default_str();
  verb.add_option("--group", arguments->request.group_column, "column of what stays together");
  verb.add_option("--label", arguments->request.label_column, "column that is spread evenly")
      ->capture_default_str();
  verb.add_option("--labels", arguments->request.label_columns, "columns of labels, for multilabel")
      ->delimiter(',');
  verb.add_option("--seed", arguments->request.seed, "draws the folds; otherwise by SHA-1");
  verb.add_option("--metrics", arguments->metrics, "comma-separated, see fluke list metrics")
      ->delimiter(',');
  verb.add_option("--device", arguments->embedder.device, "of the embedding: auto, cpu or cuda")
      ->capture_default_str();
  verb.add_flag("--json", arguments->json, "print cv.json's content on one line");
  verb.callback([arguments] { RunCv(*arguments); });
}

}  // namespace fluke::cli
