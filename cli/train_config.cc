#include "cli/train_config.h"

#include <csignal>
#include <string_view>

namespace fluke::cli {
namespace {

std::atomic<bool> stop_requested{false};

// The first Ctrl-C asks for a checkpoint, the second ends the process.
void RequestStop(int signal) {
  stop_requested = true;
  std::signal(signal, SIG_DFL);
}

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

}  // namespace

ConfigSource LoadTrainConfig(const std::filesystem::path& file,
                             const std::vector<std::string>& overrides,
                             fluke::v1::TrainConfig* config) {
  ConfigSource source = LoadConfig(file, overrides, config);
  MakePathsAbsolute(file, source, config);
  return source;
}

const std::atomic<bool>* StopOnSignals() {
  std::signal(SIGINT, RequestStop);
  std::signal(SIGTERM, RequestStop);
  return &stop_requested;
}

}  // namespace fluke::cli
