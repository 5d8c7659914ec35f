// fluke index: makes, changes and checks index folders.
#include <cstdio>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/local_build.h"
#include "cli/verbs.h"
#include "common/csv.h"
#include "common/embeddings.h"
#include "common/error.h"
#include "common/files.h"
#include "index/factory.h"
#include "index/folder_lock.h"
#include "index/layout.h"
#include "index/live_index.h"
#include "index/local/local_files.h"
#include "index/merge.h"
#include "index/reader.h"
#include "index/verify.h"
#include "index/writer.h"

namespace fluke::cli {
namespace {

struct IndexArguments {
  std::string index;
  std::string embeddings;
  std::string preset = "exact";
  std::string factory;
  std::string metric = "cosine";
  double target_recall = 0;
  std::vector<std::string> ids;
  std::string ids_file;
  std::vector<std::string> shards;
  bool replace = false;
  LocalBuildArguments local;
  bool json = false;
};

nlohmann::json ToJson(const IndexInfo& info) {
  return {{"factory", info.factory},          {"metric", info.metric},
          {"dimension", info.dimension},      {"size", info.size},
          {"fingerprint", info.fingerprint},  {"snapshot", info.snapshot},
          {"changed", info.changed},          {"bytes", info.bytes},
          {"memory_bytes", info.memory_bytes}};
}

void PrintTable(const IndexInfo& info) {
  std::cout << "items        " << info.size << "\n"
            << "dimension    " << info.dimension << "\n"
            << "metric       " << info.metric << "\n"
            << "factory      " << info.factory << "\n"
            << "snapshot     " << info.snapshot << "\n"
            << "changed      " << info.changed << "\n"
            << "bytes        " << info.bytes << "\n"
            << "memory_bytes " << info.memory_bytes << "\n"
            << "fingerprint  " << (info.fingerprint.empty() ? "unknown" : info.fingerprint) << "\n";
}

// local: what there is to say of the folder's local evidence, null: nothing.
void PrintInfo(const std::string& index, const nlohmann::ordered_json& local, bool json) {
  const bool vectors = layout::HoldsIndex(index) || local.is_null();
  nlohmann::json document = nlohmann::json::object();
  if (vectors) {
    const IndexInfo info = OpenIndex(index)->Describe();
    if (json) {
      document = ToJson(info);
    } else {
      PrintTable(info);
    }
  }
  if (!local.is_null()) document["local"] = local;
  if (json) {
    std::cout << document.dump(2) << "\n";
    return;
  }
  for (const auto& [name, value] : local.items()) {
    std::cout << "local " << name << " " << value << "\n";
  }
}

void PrintInfo(const std::string& index, bool json) {
  PrintInfo(index, DescribeLocal(index), json);
}

// The writer, and with it what it holds in memory, is gone afterwards.
void AddAndCommit(const MappedEmbeddings& embeddings, std::unique_ptr<IndexWriter> writer) {
  embeddings.ForEachBlock([&](const std::vector<Item>& items, std::span<const float> vectors) {
    writer->Add(items, vectors);
  });
  writer->Commit();
}

void Build(const IndexArguments& arguments) {
  const MappedEmbeddings embeddings(arguments.embeddings);
  const std::string factory =
      arguments.factory.empty()
          ? FactoryOfPreset(arguments.preset, embeddings.dimension(), embeddings.rows())
          : arguments.factory;
  const IndexOptions options = {.factory = factory,
                                .metric = arguments.metric,
                                .dimension = embeddings.dimension(),
                                .fingerprint = embeddings.fingerprint(),
                                .target_recall = arguments.target_recall};
  AddAndCommit(embeddings, arguments.replace ? ReplaceIndex(arguments.index, options)
                                             : CreateIndex(arguments.index, options));
}

void BuildOrSayHowToReplace(const IndexArguments& arguments) {
  if (arguments.embeddings.empty() && arguments.local.manifest.empty()) {
    throw CLI::RequiredError("--embeddings or --local");
  }
  try {
    const bool local = !arguments.local.manifest.empty();
    if (local && !arguments.replace && layout::HoldsLocal(arguments.index)) {
      Throw(absl::StatusCode::kAlreadyExists, arguments.index, ": has local evidence already");
    }
    if (!arguments.embeddings.empty()) Build(arguments);
    PrintInfo(arguments.index,
              local ? BuildLocal(arguments.local, arguments.index) : DescribeLocal(arguments.index),
              arguments.json);
  } catch (const Error& error) {
    if (error.code() != absl::StatusCode::kAlreadyExists) throw;
    Throw(error.code(), error.what(), "; --replace puts the new one in its place");
  }
}

void AddEmbeddings(const IndexArguments& arguments) {
  const MappedEmbeddings embeddings(arguments.embeddings);
  auto writer = ContinueIndex(arguments.index);
  const IndexInfo before = OpenIndex(arguments.index)->Describe();
  CheckFingerprint(before, embeddings.fingerprint(), "the embeddings " + arguments.embeddings);
  if (embeddings.dimension() != before.dimension) {
    InvalidArgument("the embeddings ", arguments.embeddings, " have ", embeddings.dimension(),
                    " dimensions, the index ", arguments.index, " has ", before.dimension);
  }
  AddAndCommit(embeddings, std::move(writer));
}

void Add(const IndexArguments& arguments) {
  const bool local = !arguments.local.manifest.empty();
  if (arguments.embeddings.empty() && !local) throw CLI::RequiredError("--embeddings or --local");
  if (!arguments.embeddings.empty()) AddEmbeddings(arguments);
  PrintInfo(arguments.index,
            local ? AddLocal(arguments.local, arguments.index) : DescribeLocal(arguments.index),
            arguments.json);
}

bool HoldsLocalAlone(const std::string& index) {
  return layout::HoldsLocal(index) && !layout::HoldsIndex(index);
}

// One id a line.
std::vector<std::string> ReadIds(const std::string& path) {
  std::vector<std::string> ids;
  for (const std::string& line : CLI::detail::split(ReadFile(path), '\n')) {
    const std::string id = line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
    if (!id.empty()) ids.push_back(id);
  }
  return ids;
}

void Remove(const IndexArguments& arguments) {
  std::vector<std::string> ids = arguments.ids;
  if (!arguments.ids_file.empty()) {
    for (std::string& id : ReadIds(arguments.ids_file)) ids.push_back(std::move(id));
  }
  if (ids.empty()) InvalidArgument("no ids to remove: give --ids or --ids-file");
  int64_t removed = 0;
  if (HoldsLocalAlone(arguments.index)) {
    const FolderLock lock(layout::LockFile(arguments.index));
    removed = RemoveLocal(ids, arguments.index);
  } else {
    const auto writer = ContinueIndex(arguments.index);
    removed = writer->Remove(ids);
    writer->Commit();
    RemoveLocal(ids, arguments.index);
  }
  if (removed < static_cast<int64_t>(ids.size())) {
    std::cerr << "note: " << static_cast<int64_t>(ids.size()) - removed << " of " << ids.size()
              << " ids were not in the index\n";
  }
  PrintInfo(arguments.index, arguments.json);
}

void Verify(const IndexArguments& arguments) {
  const std::vector<FileCheck> local = VerifyLocal(arguments.index);
  const bool vectors = layout::HoldsIndex(arguments.index) || local.empty();
  std::vector<FileCheck> checks;
  if (vectors) checks = VerifyIndex(arguments.index);
  checks.insert(checks.end(), local.begin(), local.end());
  nlohmann::json files = nlohmann::json::array();
  int64_t damaged = 0;
  for (const FileCheck& check : checks) {
    damaged += check.problem.empty() ? 0 : 1;
    if (arguments.json) {
      files.push_back({{"file", check.file}, {"bytes", check.bytes}, {"problem", check.problem}});
    } else {
      std::cout << (check.problem.empty() ? "good     " + check.file : "DAMAGED  " + check.problem)
                << "\n";
    }
  }
  NeighborCheck neighbors;
  if (damaged == 0 && vectors) neighbors = VerifyNeighbors(arguments.index);
  if (arguments.json) {
    std::cout << nlohmann::json{{"damaged", damaged},
                                {"files", files},
                                {"sampled_queries", neighbors.queries},
                                {"recall_at_20", neighbors.recall},
                                {"problem", neighbors.problem}}
                     .dump(2)
              << "\n";
  } else if (damaged == 0 && vectors) {
    std::cout << (neighbors.problem.empty() ? "good     " : "WRONG    ") << neighbors.recall
              << " of the 20 nearest of " << neighbors.queries << " sampled items found\n";
  }
  if (damaged > 0) {
    DataLoss(arguments.index, ": ", damaged, " of ", checks.size(), " files damaged");
  }
  if (!neighbors.problem.empty()) DataLoss(neighbors.problem);
}

void Compact(const IndexArguments& arguments) {
  if (HoldsLocalAlone(arguments.index)) {
    const FolderLock lock(layout::LockFile(arguments.index));
    CompactLocal(arguments.index);
  } else {
    const auto index = OpenLiveIndex(arguments.index, {.compact_after_rows = -1});
    index->Compact();
    CompactLocal(arguments.index);
  }
  PrintInfo(arguments.index, arguments.json);
}

void Merge(const IndexArguments& arguments) {
  MergeIndexes({arguments.shards.begin(), arguments.shards.end()}, arguments.index,
               arguments.replace);
  PrintInfo(arguments.index, arguments.json);
}

void DeclareBuild(CLI::App& index, const std::shared_ptr<IndexArguments>& arguments) {
  CLI::App* verb = index.add_subcommand("build", "Make an index of an embeddings folder");
  verb->add_option("--embeddings", arguments->embeddings, "Folder that `fluke embed` wrote");
  DeclareLocalBuild(*verb, arguments->local);
  verb->add_option("--out", arguments->index, "Index folder to make")->required();
  std::string presets;
  for (const IndexPreset& preset : IndexPresets()) {
    presets += StrCat("\n", preset.name, ": ", preset.help);
  }
  CLI::Option* preset =
      verb->add_option("--preset", arguments->preset, "What kind of index:" + presets)
          ->capture_default_str();
  verb->add_option("--factory", arguments->factory,
                   "Instead of a preset: Flat, IVF,Codes (lists of 8-bit codes) or any FAISS "
                   "factory string: IVF256,Flat, HNSW32, IVF64,PQ16x4fs,RFlat")
      ->excludes(preset);
  verb->add_option("--metric", arguments->metric, "cosine, ip (inner product) or l2")
      ->capture_default_str();
  verb->add_option(
          "--target-recall", arguments->target_recall,
          "Approximate indexes: the share of the true neighbours to find; search parameters are "
          "tuned for it (IVF,Codes: .95 unless told otherwise)")
      ->check(CLI::Range(0.0, 1.0));
  verb->add_flag("--replace", arguments->replace, "Put it in the place of an index that is there");
  verb->add_flag("--json", arguments->json, "Print one JSON document");
  verb->footer(
      "Example:\n  fluke index build --embeddings gallery --out gallery.index --preset fast\n  "
      "fluke "
      "index build --local photos.csv --out gallery.index");
  verb->callback([arguments] { BuildOrSayHowToReplace(*arguments); });
}

void DeclareAdd(CLI::App& index, const std::shared_ptr<IndexArguments>& arguments) {
  CLI::App* verb = index.add_subcommand(
      "add", "Add an embeddings folder, or photographs' key points; known ids are replaced");
  verb->add_option("--index", arguments->index, "Index folder")->required();
  verb->add_option("--embeddings", arguments->embeddings, "Folder that `fluke embed` wrote");
  DeclareLocalAdd(*verb, arguments->local);
  verb->add_flag("--json", arguments->json, "Print one JSON document");
  verb->footer(
      "Example:\n  fluke index add --index gallery.index --embeddings season2026 --local "
      "season2026.csv");
  verb->callback([arguments] { Add(*arguments); });
}

void DeclareRemove(CLI::App& index, const std::shared_ptr<IndexArguments>& arguments) {
  CLI::App* verb = index.add_subcommand("remove", "Remove items by id");
  verb->add_option("--index", arguments->index, "Index folder")->required();
  verb->add_option("--ids", arguments->ids, "Item ids, separated by commas")->delimiter(',');
  verb->add_option("--ids-file", arguments->ids_file, "File with one item id a line");
  verb->add_flag("--json", arguments->json, "Print one JSON document");
  verb->footer("Example:\n  fluke index remove --index gallery.index --ids a/1.jpg,a/2.jpg");
  verb->callback([arguments] { Remove(*arguments); });
}

void DeclareInfo(CLI::App& index, const std::shared_ptr<IndexArguments>& arguments) {
  CLI::App* verb = index.add_subcommand("info", "Say what an index holds");
  verb->add_option("--index", arguments->index, "Index folder")->required();
  verb->add_flag("--json", arguments->json, "Print one JSON document");
  verb->footer("Example:\n  fluke index info --index gallery.index --json");
  verb->callback([arguments] { PrintInfo(arguments->index, arguments->json); });
}

void DeclareVerify(CLI::App& index, const std::shared_ptr<IndexArguments>& arguments) {
  CLI::App* verb = index.add_subcommand(
      "verify", "Check every file of every snapshot, the log and a sample of neighbours");
  verb->add_option("--index", arguments->index, "Index folder")->required();
  verb->add_flag("--json", arguments->json, "Print one JSON document");
  verb->footer("Example:\n  fluke index verify --index gallery.index");
  verb->callback([arguments] { Verify(*arguments); });
}

void DeclareCompact(CLI::App& index, const std::shared_ptr<IndexArguments>& arguments) {
  CLI::App* verb = index.add_subcommand("compact", "Fold the logged changes into a new snapshot");
  verb->add_option("--index", arguments->index, "Index folder")->required();
  verb->add_flag("--json", arguments->json, "Print one JSON document");
  verb->footer("Example:\n  fluke index compact --index gallery.index");
  verb->callback([arguments] { Compact(*arguments); });
}

void DeclareCalibrate(CLI::App& index) {
  CLI::App* verb = index.add_subcommand(
      "calibrate", "Learn how embedding and local scores are to be read as probabilities");
  const auto arguments = std::make_shared<CalibrateArguments>();
  DeclareLocalCalibrate(*verb, *arguments);
  verb->footer("Example:\n  fluke index calibrate --index gallery.index --from training.index");
  verb->callback([arguments] { std::cout << CalibrateLocal(*arguments).dump() << "\n"; });
}

void DeclareMerge(CLI::App& index, const std::shared_ptr<IndexArguments>& arguments) {
  CLI::App* verb = index.add_subcommand("merge", "Join indexes into a new one of the first's kind");
  verb->add_option("--index", arguments->shards, "Index folders, separated by commas")
      ->delimiter(',')
      ->required();
  verb->add_option("--out", arguments->index, "Index folder to make")->required();
  verb->add_flag("--replace", arguments->replace, "Put it in the place of an index that is there");
  verb->add_flag("--json", arguments->json, "Print one JSON document");
  verb->footer("Example:\n  fluke index merge --index north.index,south.index --out all.index");
  verb->callback([arguments] { Merge(*arguments); });
}

}  // namespace

void DeclareIndex(CLI::App& verb) {
  verb.require_subcommand(1);
  const auto arguments = std::make_shared<IndexArguments>();
  DeclareBuild(verb, arguments);
  DeclareAdd(verb, arguments);
  DeclareRemove(verb, arguments);
  DeclareInfo(verb, arguments);
  DeclareVerify(verb, arguments);
  DeclareCompact(verb, arguments);
  DeclareMerge(verb, arguments);
  DeclareCalibrate(verb);
}

}  // namespace fluke::cli
