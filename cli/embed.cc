#include <filesystem>
#include <iostream>
#include <memory>

#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "cli/allocator.h"
#include "cli/manifest_split.h"
#include "cli/served_pipelines.h"
#include "cli/verbs.h"
#include "common/embed_manifest.h"
#include "common/embeddings.h"
#include "common/files.h"
#include "common/manifest.h"
#include "index/ranking/pipeline.h"
#include "train/embedder.h"

namespace fluke::cli {
namespace {

struct EmbedArguments {
  std::vector<std::string> models;
  std::string data;
  std::string out;
  std::string split;
  std::string pipeline;
  train::EmbedderOptions embedder;
  EmbedManifestOptions manifest;
  bool json = false;
};

Manifest ReadPhotos(const EmbedArguments& arguments, std::vector<BadRow>* bad) {
  return SplitOf(arguments.manifest.skip_bad ? ReadManifestSkippingBad(arguments.data, bad)
                                             : ReadManifest(arguments.data),
                 arguments.split);
}

void RunEmbed(const EmbedArguments& arguments) {
  KeepFreedMemory();
  std::vector<BadRow> bad;
  const Manifest manifest = ReadPhotos(arguments, &bad);
  train::EmbedderOptions options = arguments.embedder;
  if (!arguments.pipeline.empty()) {
    SetEmbedding(ranking::LoadPipeline(arguments.pipeline).config.embedding(), &options);
  }
  const auto embedder = train::OpenEmbedder(arguments.models, options);
  AtomicFolder out(arguments.out);  // vectors never stand beside the items of an earlier run
  NpyWriter vectors(out.path() / "embeddings.npy", embedder->dimension());
  std::vector<Item> items;
  const std::vector<BadRow> unreadable =
      EmbedManifest(*embedder, manifest, arguments.manifest,
                    [&](std::span<const ManifestItem* const> photos, std::span<const float> rows) {
                      vectors.Append(rows);
                      for (const ManifestItem* photo : photos) items.push_back(ItemOf(*photo));
                    });
  vectors.Commit();
  WriteEmbeddingsInfo(out.path(), items, embedder->dimension(), embedder->fingerprint(),
                      arguments.models, arguments.data);
  out.Commit();
  bad.insert(bad.end(), unreadable.begin(), unreadable.end());
  for (const BadRow& row : bad)
    spdlog::warn("left out {} (line {}): {}", row.path, row.line, row.reason);
  if (arguments.json) {
    std::cout << nlohmann::json{{"items", items.size()},
                                {"dimension", embedder->dimension()},
                                {"fingerprint", embedder->fingerprint()},
                                {"left_out", bad.size()}}
                     .dump()
              << "\n";
  } else {
    std::cout << items.size() << " photographs, " << embedder->dimension() << " dimensions -> "
              << arguments.out << "\n";
  }
}

}  // namespace

void DeclareEmbed(CLI::App& verb) {
  auto arguments = std::make_shared<EmbedArguments>();
  verb.add_option("--model", arguments->models, "run folder; several = concatenated meta-embedding")
      ->required()
      ->delimiter(',');
  verb.add_option("--data", arguments->data, "manifest: CSV, folder, idx or zip")->required();
  verb.add_option("--out", arguments->out, "embeddings folder to write")->required();
  verb.add_option("--split", arguments->split, "only the rows of this split");
  CLI::Option* pipeline = verb.add_option("--pipeline", arguments->pipeline,
                                          "YAML file whose `embedding` says how, as a server's");
  verb.add_option("--tta", arguments->embedder.tta,
                  "test-time augmentation: flip, d4, five_crop, ten_crop, multi_scale; several "
                  "multiply (`fluke list tta`)")
      ->delimiter(',')
      ->excludes(pipeline);
  verb.add_option("--tta-merge", arguments->embedder.tta_merge, "of its views: mean, gmean, max")
      ->capture_default_str()
      ->excludes(pipeline);
  verb.add_option("--weights", arguments->embedder.weights,
                  "one a model: the cosine is their weighted mean; default: all the same")
      ->delimiter(',')
      ->excludes(pipeline);
  verb.add_option("--batch-size", arguments->manifest.batch_size)
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  verb.add_option("--threads", arguments->embedder.threads, "of the network; 0: one a core");
  verb.add_option("--device", arguments->embedder.device, "auto, cpu or cuda")
      ->capture_default_str();
  verb.add_option("--precision", arguments->embedder.precision,
                  "fp32 (default) or bf16 (where the CPU has instructions for it)");
  verb.add_flag("--skip-bad", arguments->manifest.skip_bad,
                "leave unreadable photographs out and list them");
  verb.add_flag("--json", arguments->json, "print the summary as one JSON document");
  verb.callback([arguments] { RunEmbed(*arguments); });
}

}  // namespace fluke::cli
