#include "cli/job_seams.h"

#include <algorithm>
#include <string>

#include "common/text.h"
#include "index/factory.h"
#include "train/check_config.h"

namespace fluke::cli {
namespace {

// The very file that runs, also when another one has taken its place meanwhile.
constexpr char kThisProgram[] = "/proc/self/exe";

// One word, so that no value is taken for an option.
std::string Option(std::string_view name, const std::filesystem::path& value) {
  return StrCat("--", name, "=", value);
}

std::string IndexOption(const std::string& type) {
  const auto presets = IndexPresets();
  const bool is_preset =
      std::ranges::any_of(presets, [&](const IndexPreset& preset) { return preset.name == type; });
  if (type.empty()) return "--preset=exact";
  return StrCat(is_preset ? "--preset=" : "--factory=", type);
}

}  // namespace

serve::TrainingSeams JobSeams() {
  using Path = std::filesystem::path;
  using Words = serve::JobCommands::Words;
  serve::TrainingSeams seams;
  seams.check_config = train::CheckConfig;
  seams.commands = {
      .train =
          [](const Path& config, const Path& run) {
            return Words{kThisProgram, "train", config.string(), Option("run", run), "--resume"};
          },
      .embed =
          [](const Path& run, const Path& manifest, bool skip_bad, const Path& out) {
            Words words{kThisProgram, "embed", Option("model", run), Option("data", manifest),
                        Option("out", out)};
            if (skip_bad) words.push_back("--skip-bad");
            return words;
          },
      .build_index =
          [](const Path& embeddings, const std::string& index_type, const Path& out) {
            return Words{kThisProgram,
                         "index",
                         "build",
                         Option("embeddings", embeddings),
                         Option("out", out),
                         IndexOption(index_type)};
          },
  };
  return seams;
}

}  // namespace fluke::cli
