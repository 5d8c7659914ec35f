#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/allocator.h"
#include "cli/run_record.h"
#include "cli/train_config.h"
#include "cli/verbs.h"
#include "common/error.h"
#include "train/run_folder.h"
#include "train/trainer.h"

namespace fluke::cli {
namespace {

struct TrainArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string run;
  bool resume = false;
  bool json = false;
};

void RunTrain(const TrainArguments& arguments) {
  KeepFreedMemory();
  std::filesystem::path file = arguments.config;
  if (file.empty()) {
    if (!arguments.resume) InvalidArgument("train: a CONFIG is needed, or --resume with --run");
    file = train::RunFolder{arguments.run}.config();
  }
  fluke::v1::TrainConfig config;
  const ConfigSource source = LoadTrainConfig(file, arguments.overrides, &config);
  const train::TrainSummary summary = train::Train(
      config, source,
      {.run = arguments.run, .resume = arguments.resume, .stop = StopOnSignals(), .begun = [&] {
         WriteRunRecord(arguments.run, RecordOf(config));
       }});
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
