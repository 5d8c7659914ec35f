// fluke serve: opens the model and the index, answers over gRPC until a signal says stop.
#include <semaphore.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "cli/verbs.h"
#include "common/config.h"
#include "common/error.h"
#include "common/files.h"
#include "index/live_index.h"
#include "index/reader.h"
#include "serve/server.h"
#include "train/embedder.h"

namespace fluke::cli {
namespace {

constexpr int kExitInterrupted = 130;

struct ServeArguments {
  std::string config;
  std::vector<std::string> models;
  std::string index;
  std::string listen;
  std::string http;
  std::string device;
  bool read_only = false;
  std::vector<std::string> overrides;
  std::string port_file;
  std::string http_port_file;
  train::EmbedderOptions embedder;
};

// What a signal handler may touch: the first SIGINT or SIGTERM asks for a graceful stop, the second
// ends the process at once.
sem_t stop_requested;
std::atomic<int> stop_signals = 0;

void OnStopSignal(int /*signal*/) {
  if (stop_signals.fetch_add(1) > 0) _exit(kExitInterrupted);
  sem_post(&stop_requested);
}

void CatchStopSignals() {
  sem_init(&stop_requested, /*pshared=*/0, /*value=*/0);
  struct sigaction action = {};
  action.sa_handler = OnStopSignal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void WaitForStopSignal() {
  while (sem_wait(&stop_requested) != 0 && errno == EINTR) {
  }
}

// Paths in a config file are relative to it.
void ResolvePaths(const std::filesystem::path& config_file, v1::ServeConfig* config) {
  const std::filesystem::path folder = std::filesystem::absolute(config_file).parent_path();
  config->set_index((folder / config->index()).lexically_normal().string());
  if (config->has_photos()) {
    config->set_photos((folder / config->photos()).lexically_normal().string());
  }
  for (std::string& model : *config->mutable_model()) {
    model = (folder / model).lexically_normal().string();
  }
}

v1::ServeConfig ReadConfig(const ServeArguments& arguments) {
  v1::ServeConfig config;
  // JSON strings and lists are YAML; --model and --index are relative to the working folder.
  const auto absolute = [](const std::string& path) {
    return std::filesystem::absolute(path).lexically_normal().string();
  };
  std::vector<std::string> overrides = arguments.overrides;
  if (!arguments.index.empty()) {
    overrides.push_back("index=" + nlohmann::json(absolute(arguments.index)).dump());
  }
  if (!arguments.models.empty()) {
    nlohmann::json models;
    for (const std::string& model : arguments.models) models.push_back(absolute(model));
    overrides.push_back("model=" + models.dump());
  }
  if (!arguments.listen.empty()) {
    overrides.push_back("listen=" + nlohmann::json(arguments.listen).dump());
  }
  if (!arguments.http.empty()) {
    overrides.push_back("http_listen=" + nlohmann::json(arguments.http).dump());
  }
  if (arguments.read_only) overrides.push_back("read_only=true");
  if (!arguments.device.empty()) {
    overrides.push_back("device=" + nlohmann::json(arguments.device).dump());
  }
  if (arguments.config.empty()) {
    if (arguments.index.empty()) InvalidArgument("serve: a CONFIG or --index is needed");
    ParseConfig("", "command line", overrides, &config);
  } else {
    LoadConfig(arguments.config, overrides, &config);
    if (!config.has_index()) InvalidArgument(arguments.config, ": `index` is missing");
    ResolvePaths(arguments.config, &config);
  }
  return config;
}

// The index to change; null, with a warning, where the folder cannot be written.
std::shared_ptr<LiveIndex> OpenToChange(const std::string& folder, const OpenOptions& open) {
  try {
    return OpenLiveIndex(folder, {.compact_after_rows = 0, .open = open});
  } catch (const Error& error) {
    if (error.code() == absl::StatusCode::kPermissionDenied) {
      spdlog::warn("{}: serving read-only", error.what());
      return nullptr;
    }
    if (error.code() != absl::StatusCode::kFailedPrecondition) throw;
    Throw(error.code(), error.what(), "; with read_only (--read-only) it can be served meanwhile");
  }
}

void RunServe(const ServeArguments& arguments) {
  const v1::ServeConfig config = ReadConfig(arguments);
  const bool gpu = config.device() == "gpu";
  if (!gpu && config.device() != "auto" && config.device() != "cpu" && config.device() != "cuda") {
    InvalidArgument("unknown device '", config.device(), "'; known: auto, cpu, cuda, gpu");
  }
  const OpenOptions open{.device = gpu ? "gpu" : "cpu", .gpu_float16 = config.index_float16()};
  std::shared_ptr<LiveIndex> live;
  std::shared_ptr<const VectorIndex> index;
  if (!config.read_only()) live = OpenToChange(config.index(), open);
  index = live != nullptr ? live->Current() : OpenIndex(config.index(), open);
  std::shared_ptr<const Embedder> embedder;
  if (config.model_size() > 0) {
    train::EmbedderOptions options = arguments.embedder;
    options.threads = config.threads();
    options.device = gpu ? "auto" : config.device();
    const std::vector<std::string> runs(config.model().begin(), config.model().end());
    embedder = train::OpenEmbedder(runs, options);
    CheckFingerprint(index->Describe(), embedder->fingerprint(), "the model " + StrJoin(runs, ","));
  }
  // From here on a signal stops gracefully; while opening it ends the process, which has nothing to
  // lose then.
  CatchStopSignals();
  const auto server = live != nullptr
                          ? std::make_unique<serve::RetrievalServer>(live, embedder, config)
                          : std::make_unique<serve::RetrievalServer>(index, embedder, config);
  const IndexInfo info = index->Describe();
  spdlog::info("serving {} items, {} dimensions, {} {}, snapshot {}{}{}", info.size, info.dimension,
               info.factory, info.metric, info.snapshot, embedder ? "" : ", no model",
               live != nullptr ? "" : ", read-only");
  if (!arguments.port_file.empty()) {
    WriteFileAtomically(arguments.port_file, std::to_string(server->port()) + "\n");
  }
  if (!arguments.http_port_file.empty() && server->http_port() > 0) {
    WriteFileAtomically(arguments.http_port_file, std::to_string(server->http_port()) + "\n");
  }
  std::cout << "listening on " << server->address() << std::endl;
  if (server->http_port() > 0) {
    std::cout << "page and JSON on " << server->http_url() << std::endl;
  }
  WaitForStopSignal();
  spdlog::info("stopping: calls under way may finish within {} ms", config.drain_timeout_ms());
  server->Stop(std::chrono::milliseconds(config.drain_timeout_ms()));
  spdlog::info("stopped");
}

}  // namespace

void DeclareServe(CLI::App& verb) {
  auto arguments = std::make_shared<ServeArguments>();
  verb.add_option("config", arguments->config, "YAML file (ServeConfig in config.proto)");
  verb.add_option("--model", arguments->models,
                  "run folder; several = concatenated meta-embedding; none: vector and id queries "
                  "only")
      ->delimiter(',');
  verb.add_option("--index", arguments->index, "index folder");
  verb.add_option("--listen", arguments->listen,
                  "HOST:PORT, default 127.0.0.1:50051; port 0: any free one");
  verb.add_option("--http", arguments->http,
                  "HOST:PORT of web page, JSON and metrics; port 0: any free one; default: none");
  verb.add_flag("--read-only", arguments->read_only, "take no changes, and no lock of the index");
  verb.add_option("--set", arguments->overrides, "KEY=VALUE, overrides the config");
  verb.add_option("--port-file", arguments->port_file, "file to write the port to, once serving");
  verb.add_option("--http-port-file", arguments->http_port_file,
                  "file to write the port of --http to, once serving");
  verb.add_option("--device", arguments->device,
                  "auto (default), cpu, cuda: of the model; gpu: of model and index");
  verb.add_option("--precision", arguments->embedder.precision, "fp32 (default) or bf16");
  verb.callback([arguments] { RunServe(*arguments); });
}

}  // namespace fluke::cli
