#include <atomic>
#include <csignal>
#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/verbs.h"
#include "common/config.h"
#include "common/error.h"
#include "train/run_folder.h"
#include "train/trainer.h"

namespace fluke::cli {
namespace {

std::atomic<bool> stop_requested{false};

// The first Ctrl-C asks for a checkpoint, the second ends the process.
void RequestStop(int signal) {
  stop_requested = true;
  std::signal(signal, SIG_DFL);
}

struct TrainArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string run;
  bool resume = false;
  bool json = false;
};

// Paths in a config are relative to the config file, those of --set to the working directory; a run
// keeps them absolute, so that it can be repeated from anywhere.
void MakePathsAbsolute(const std::filesystem::path& config_file, const ConfigSource& source,
                       fluke::v1::TrainConfig* config) {
  const auto absolute = [&](std::string_view field, const std::string& path) {
    const bool overridden = source.Where(field).starts_with("--set");
    const std::filesystem::path folder = overridden
                                             ? std::filesystem::current_path()
                                             : std::filesystem::absolute(config_file).parent_path();
    return (folder / path).lexically_normal().string();
  };
  config->mutable_data()->set_manifest(absolute("data.manifest", config->data().manifest()));
  if (config->model().has_init_from()) {
    config->mutable_model()->set_init_from(
        absolute("model.init_from", config->model().init_from()));
  }
}

void RunTrain(const TrainArguments& arguments) {
  std::filesystem::path file = arguments.config;
  if (file.empty()) {
    if (!arguments.resume) InvalidArgument("train: a CONFIG is needed, or --resume with --run");
    file = train::RunFolder{arguments.run}.config();
  }
  fluke::v1::TrainConfig config;
  const ConfigSource source = LoadConfig(file, arguments.overrides, &config);
  MakePathsAbsolute(file, source, &config);
  std::signal(SIGINT, RequestStop);
  std::signal(SIGTERM, RequestStop);
  const train::TrainSummary summary = train::Train(
      config, source, {.run = arguments.run, .resume = arguments.resume, .stop = &stop_requested});
  const nlohmann::json report{{"run", arguments.run},
                              {"steps", summary.steps},
                              {"seconds", summary.seconds},
                              {"images_per_s", summary.images_per_s},
                              {"loss", summary.loss},
                              {"best_by", config.validation().best_by()},
                              {"best", summary.best},
                              {"best_epoch", summary.best_epoch},
                              {"peak_rss_mb", summary.peak_rss_mb}};
  if (arguments.json) {
    std::cout << report.dump() << "\n";
    return;
  }
  for (const auto& [key, value] : report.items()) std::cout << key << "\t" << value << "\n";
}

}  // namespace

void DeclareTrain(CLI::App& verb) {
  auto arguments = std::make_shared<TrainArguments>();
  verb.add_option("config", arguments->config, "YAML file (see train/presets/)");
  verb.add_option("--set", arguments->overrides, "override a field: train.epochs=3, augment[0].p=0")
      ->take_all()
      ->allow_extra_args(false);
  verb.add_option("--run", arguments->run, "run folder to write")->required();
  verb.add_flag("--resume", arguments->resume, "go on from the run's last checkpoint");
  verb.add_flag("--json", arguments->json, "print the summary as one JSON document");
  verb.callback([arguments] { RunTrain(*arguments); });
}

}  // namespace fluke::cli
