// fluke pipeline: ranking pipelines checked, what their steps need learned, rankings fused.
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "cli/verbs.h"
#include "common/csv.h"
#include "common/embeddings.h"
#include "common/error.h"
#include "common/files.h"
#include "common/table.h"
#include "index/ranking/fusion.h"
#include "index/ranking/learn_weights.h"
#include "index/ranking/pipeline.h"
#include "index/ranking/whitening.h"
#include "index/reader.h"

namespace fluke::cli {
namespace {

struct PipelineArguments {
  std::string file;
  std::string index;
  std::string embeddings;
  std::string out;
  std::vector<int64_t> dimensions;
  std::string metric = "map@r";
  std::vector<std::string> rankings;
  std::vector<double> weights;
  std::string method = "reciprocal_rank";
  double k = 60;
  bool json = false;
};

void Check(const PipelineArguments& arguments) {
  const ranking::Pipeline pipeline = ranking::LoadPipeline(arguments.file);
  if (!arguments.index.empty()) {
    ranking::RankWith(pipeline, OpenIndex(arguments.index), arguments.index);
  }
  std::cout << "the pipeline is valid: " << pipeline.config.steps_size() << " steps"
            << (arguments.index.empty() ? "" : ", and fits the index") << "\n";
}

void LearnWhitening(const PipelineArguments& arguments) {
  const Embeddings embeddings = ReadEmbeddings(arguments.embeddings);
  ranking::WhiteningBasis basis =
      ranking::LearnWhitening(embeddings.vectors.values, embeddings.vectors.cols);
  basis.fingerprint = embeddings.fingerprint;
  ranking::WriteWhitening(basis, arguments.out);
  double all = 0, upper_half = 0;
  for (size_t i = 0; i < basis.variances.size(); ++i) {
    all += basis.variances[i];
    if (2 * i < basis.variances.size()) upper_half += basis.variances[i];
  }
  std::cout << basis.variances.size() << " directions of " << basis.dimension
            << " dimensions; the first half has " << absl::StrFormat("%.4f", upper_half / all)
            << " of the variance\n";
}

void LearnWeights(const PipelineArguments& arguments) {
  const Embeddings embeddings = ReadEmbeddings(arguments.embeddings);
  std::map<std::string, int64_t> numbers;
  std::vector<int64_t> identities;
  for (const Item& item : embeddings.items) {
    identities.push_back(
        item.identity.empty()
            ? -1
            : numbers.emplace(item.identity, static_cast<int64_t>(numbers.size())).first->second);
  }
  const ranking::LearnedWeights learned = ranking::LearnWeights(
      embeddings.vectors.values, identities, arguments.dimensions, arguments.metric);
  if (arguments.json) {
    std::cout << nlohmann::json{{"weights", learned.weights},
                                {"metric", arguments.metric},
                                {"value", learned.metric},
                                {"value_unweighted", learned.metric_before}}
                     .dump()
              << "\n";
    return;
  }
  std::vector<std::string> parts;
  for (size_t i = 0; i < learned.weights.size(); ++i) {
    parts.push_back(absl::StrFormat("{dimension: %d, weight: %.4f}", arguments.dimensions[i],
                                    learned.weights[i]));
  }
  std::cout << "meta_embedding: {parts: [" << StrJoin(parts, ", ") << "]}\n"
            << "# " << arguments.metric << " " << absl::StrFormat("%.4f", learned.metric)
            << ", with all the same " << absl::StrFormat("%.4f", learned.metric_before) << "\n";
}

// A ranking CSV with its ids and queries as numbers.
class RankingFiles {
 public:
  struct Query {
    std::string id, identity;
    std::vector<std::map<int64_t, Neighbor>> by_rank;  // a file
  };

  // Columns query_id, query_identity, rank, id, identity, score, as fluke search writes them.
  void Read(const std::string& path, size_t file, size_t files) {
    const CsvTable table = ReadCsv(path);
    const auto column = [&](std::string_view name) {
      const int found = table.Column(name);
      if (found < 0) {
        InvalidArgument(path, ":1: no column '", name, "'; found ", StrJoin(table.header, ", "));
      }
      return static_cast<size_t>(found);
    };
    const size_t query_id = column("query_id"), query_identity = column("query_identity"),
                 rank = column("rank"), id = column("id"), identity = column("identity"),
                 score = column("score");
    for (const CsvRow& row : table.rows) {
      Query& query = QueryCalled(row.fields[query_id], row.fields[query_identity], files);
      int64_t place = 0;
      float value = 0;
      if (!absl::SimpleAtoi(row.fields[rank], &place) || place < 1) {
        InvalidArgument(path, ":", row.line, ": rank is '", row.fields[rank],
                        "'; expected 1, 2, 3 ...");
      }
      if (!absl::SimpleAtof(row.fields[score], &value)) {
        InvalidArgument(path, ":", row.line, ": score is '", row.fields[score], "'");
      }
      const Neighbor neighbor = {.row = ItemCalled(row.fields[id], row.fields[identity]),
                                 .score = value};
      if (!query.by_rank[file].emplace(place, neighbor).second) {
        InvalidArgument(path, ":", row.line, ": query '", query.id, "' has rank ", place, " twice");
      }
    }
  }

  const std::vector<Query>& queries() const { return queries_; }
  const std::pair<std::string, std::string>& item(int64_t number) const {
    return items_[static_cast<size_t>(number)];
  }

 private:
  Query& QueryCalled(const std::string& id, const std::string& identity, size_t files) {
    const auto [found, is_new] = query_numbers_.emplace(id, queries_.size());
    if (is_new) queries_.push_back({.id = id, .identity = identity, .by_rank = {}});
    Query& query = queries_[found->second];
    query.by_rank.resize(files);
    return query;
  }

  int64_t ItemCalled(const std::string& id, const std::string& identity) {
    const auto [found, is_new] = item_numbers_.emplace(id, static_cast<int64_t>(items_.size()));
    if (is_new) items_.emplace_back(id, identity);
    return found->second;
  }

  std::vector<Query> queries_;
  std::map<std::string, size_t> query_numbers_;
  std::vector<std::pair<std::string, std::string>> items_;  // id, identity
  std::map<std::string, int64_t> item_numbers_;
};

void FuseRankings(const PipelineArguments& arguments) {
  const ranking::FusionRow& method =
      Find(ranking::FusionMethods(), "fusion method", arguments.method);
  std::vector<double> weights = arguments.weights;
  if (weights.empty()) weights.assign(arguments.rankings.size(), 1);
  if (weights.size() != arguments.rankings.size()) {
    InvalidArgument(weights.size(), " weights for ", arguments.rankings.size(), " rankings");
  }
  RankingFiles files;
  for (size_t i = 0; i < arguments.rankings.size(); ++i) {
    files.Read(arguments.rankings[i], i, arguments.rankings.size());
  }
  std::string lines = CsvLine({"query_id", "query_identity", "rank", "id", "identity", "score"});
  for (const RankingFiles::Query& query : files.queries()) {
    std::vector<ranking::WeightedRanking> rankings;
    for (size_t i = 0; i < query.by_rank.size(); ++i) {
      rankings.push_back({.ranking = {}, .weight = weights[i]});
      for (const auto& [rank, neighbor] : query.by_rank[i]) {
        rankings.back().ranking.push_back(neighbor);
      }
    }
    int64_t rank = 0;
    for (const Neighbor& fused : ranking::Fuse(rankings, method, arguments.k)) {
      const auto& [id, identity] = files.item(fused.row);
      lines += CsvLine({query.id, query.identity, std::to_string(++rank), id, identity,
                        absl::StrFormat("%.9g", fused.score)});
    }
  }
  if (arguments.out.empty()) {
    std::cout << lines;
  } else {
    WriteFileAtomically(arguments.out, lines);
  }
}

void DeclareCheck(CLI::App& pipeline, const std::shared_ptr<PipelineArguments>& arguments) {
  CLI::App* verb = pipeline.add_subcommand("check", "Say what is wrong with a pipeline's YAML");
  verb->add_option("file", arguments->file, "YAML file (RankingPipeline in config.proto)")
      ->required();
  verb->add_option("--index", arguments->index, "Index folder that it must fit, too");
  verb->footer("Example:\n  fluke pipeline check ranking.yaml --index gallery.index");
  verb->callback([arguments] { Check(*arguments); });
}

void DeclareWhiten(CLI::App& pipeline, const std::shared_ptr<PipelineArguments>& arguments) {
  CLI::App* verb = pipeline.add_subcommand(
      "whiten", "Learn the PCA that a whitening step reads, from training photographs");
  verb->add_option("--embeddings", arguments->embeddings, "Folder that `fluke embed` wrote")
      ->required();
  verb->add_option("--out", arguments->out, "Folder to write")->required();
  verb->footer(
      "Example:\n  fluke pipeline whiten --embeddings train_vectors --out gallery.whitening\n"
      "  # then: steps: [{whitening: {file: gallery.whitening, dimension: 128}}]");
  verb->callback([arguments] { LearnWhitening(*arguments); });
}

void DeclareWeights(CLI::App& pipeline, const std::shared_ptr<PipelineArguments>& arguments) {
  CLI::App* verb = pipeline.add_subcommand(
      "weights", "Learn how much each model of a concatenated embedding should count");
  verb->add_option("--embeddings", arguments->embeddings,
                   "Folder that `fluke embed --model A,B` wrote, of photographs with identities "
                   "that the models were not trained on")
      ->required();
  verb->add_option("--dimensions", arguments->dimensions, "Of each model, in their order")
      ->required()
      ->delimiter(',');
  verb->add_option("--metric", arguments->metric, "What is to rise, each photograph left out")
      ->capture_default_str();
  verb->add_flag("--json", arguments->json, "Print one JSON document");
  verb->footer("Example:\n  fluke pipeline weights --embeddings val_vectors --dimensions 256,256");
  verb->callback([arguments] { LearnWeights(*arguments); });
}

void DeclareFuse(CLI::App& pipeline, const std::shared_ptr<PipelineArguments>& arguments) {
  CLI::App* verb = pipeline.add_subcommand("fuse", "Make one ranking of several");
  verb->add_option("--rankings", arguments->rankings, "CSV files that `fluke search` wrote")
      ->required()
      ->delimiter(',');
  verb->add_option("--weights", arguments->weights, "One a ranking; default: all the same")
      ->delimiter(',');
  verb->add_option("--method", arguments->method, "`fluke list fusion-methods`")
      ->capture_default_str();
  verb->add_option("-k", arguments->k, "Of reciprocal_rank")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--out", arguments->out, "Ranking CSV to write; stdout otherwise");
  verb->footer(
      "Example:\n  fluke pipeline fuse --rankings a.csv,b.csv --weights 2,1 --out both.csv");
  verb->callback([arguments] { FuseRankings(*arguments); });
}

}  // namespace

void DeclarePipeline(CLI::App& verb) {
  verb.require_subcommand(1);
  const auto arguments = std::make_shared<PipelineArguments>();
  DeclareCheck(verb, arguments);
  DeclareWhiten(verb, arguments);
  DeclareWeights(verb, arguments);
  DeclareFuse(verb, arguments);
}

}  // namespace fluke::cli
