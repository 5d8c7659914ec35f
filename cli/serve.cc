// fluke serve: opens models and indexes, answers over gRPC until a signal says stop.
#include <semaphore.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
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

#include "absl/synchronization/mutex.h"
#include "cli/job_seams.h"
#include "cli/notify.h"
#include "cli/served_pipelines.h"
#include "cli/verbs.h"
#include "common/config.h"
#include "common/error.h"
#include "common/files.h"
#include "common/log_format.h"
#include "index/empty_index.h"
#include "index/live_index.h"
#include "index/reader.h"
#include "serve/server.h"
#include "train/embedder.h"

namespace fluke::cli {
namespace {

struct ServeArguments {
  std::string config;
  std::vector<std::string> models;
  std::string index;
  std::string data;
  std::string pipeline;
  std::string listen;
  std::string http;
  std::string device;
  bool read_only = false;
  std::vector<std::string> overrides;
  std::string port_file;
  bool check = false;
  std::string log_level = "info";
  bool log_json = false;
  std::string http_port_file;
  train::EmbedderOptions embedder;
};

// What a signal handler may touch: the first SIGINT or SIGTERM asks for a graceful stop, the second
// ends the process at once.
sem_t stop_posted;
std::atomic<int> stop_signals = 0;

void OnStopSignal(int /*signal*/) {
  if (stop_signals.fetch_add(1) > 0) _exit(kExitInterrupted);
  sem_post(&stop_posted);
}

void CatchStopSignals() {
  sem_init(&stop_posted, /*pshared=*/0, /*value=*/0);
  struct sigaction action = {};
  action.sa_handler = OnStopSignal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void WaitForStopSignal() {
  while (sem_wait(&stop_posted) != 0 && errno == EINTR) {
  }
}

// gRPC stops listening for good when a connection finds no free descriptor.
void RaiseDescriptorLimit() {
  constexpr rlim_t kEnough = 1 << 20;
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kEnough) return;
  limit.rlim_cur = std::min(limit.rlim_max, kEnough);
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Debian's Abseil looks for deadlocks: each of gRPC's locks goes through one graph of all of them.
void TakeLocksWithoutChecks() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

// Paths in a config file are relative to it.
void ResolvePaths(const std::filesystem::path& config_file, v1::ServeConfig* config) {
  const std::filesystem::path folder = std::filesystem::absolute(config_file).parent_path();
  const auto resolve = [&](std::string* path) {
    if (!path->empty()) *path = (folder / *path).lexically_normal().string();
  };
  if (config->has_index()) resolve(config->mutable_index());
  if (config->has_photos()) resolve(config->mutable_photos());
  if (config->has_pipeline()) resolve(config->mutable_pipeline());
  if (config->has_data()) resolve(config->mutable_data());
  if (config->jobs().has_data()) resolve(config->mutable_jobs()->mutable_data());
  for (std::string& model : *config->mutable_model()) resolve(&model);
  for (v1::ServedCollection& collection : *config->mutable_collection()) {
    resolve(collection.mutable_index());
    if (collection.has_photos()) resolve(collection.mutable_photos());
    if (collection.has_pipeline()) resolve(collection.mutable_pipeline());
    for (std::string& model : *collection.mutable_model()) resolve(&model);
  }
  for (v1::ServedModel& model : *config->mutable_models()) {
    for (std::string& run : *model.mutable_run()) resolve(&run);
    if (model.has_pipeline()) resolve(model.mutable_pipeline());
  }
  if (config->has_access()) {
    v1::Access& access = *config->mutable_access();
    if (access.has_certificate()) resolve(access.mutable_certificate());
    if (access.has_private_key()) resolve(access.mutable_private_key());
    if (access.has_client_ca()) resolve(access.mutable_client_ca());
    if (access.has_audit_log()) resolve(access.mutable_audit_log());
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
  if (!arguments.data.empty()) {
    overrides.push_back("data=" + nlohmann::json(absolute(arguments.data)).dump());
  }
  if (!arguments.pipeline.empty()) {
    overrides.push_back("pipeline=" + nlohmann::json(absolute(arguments.pipeline)).dump());
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
    if (arguments.index.empty() && arguments.data.empty()) {
      InvalidArgument("serve: a CONFIG, --index or --data is needed");
    }
    ParseConfig("", "command line", overrides, &config);
  } else {
    LoadConfig(arguments.config, overrides, &config);
    if (!config.has_index() && config.collection().empty() && !config.has_data()) {
      InvalidArgument(arguments.config,
                      ": `index` is missing; without one, `collection` or `data` ",
                      "says what is served");
    }
    ResolvePaths(arguments.config, &config);
  }
  return config;
}

// The index to change; null, with a warning, where the folder cannot be written.
std::shared_ptr<LiveIndex> OpenToChange(const std::filesystem::path& folder,
                                        const OpenOptions& open) {
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

serve::Openers OpenersOf(const ServeArguments& arguments, const v1::ServeConfig& config) {
  const bool gpu = config.device() == "gpu";
  if (!gpu && config.device() != "auto" && config.device() != "cpu" && config.device() != "cuda") {
    InvalidArgument("unknown device '", config.device(), "'; known: auto, cpu, cuda, gpu");
  }
  const OpenOptions open{.device = gpu ? "gpu" : "cpu", .gpu_float16 = config.index_float16()};
  train::EmbedderOptions embedder = arguments.embedder;
  embedder.threads = config.threads();
  embedder.device = gpu ? "auto" : config.device();
  const ServedPipelines pipelines(config);
  return {.open_live =
              [open, pipelines](const std::filesystem::path& folder,
                                const std::vector<std::string>& runs) {
                return pipelines.Rank(OpenToChange(folder, open), folder, runs);
              },
          .open_read_only =
              [open, pipelines](const std::filesystem::path& folder,
                                const std::vector<std::string>& runs) {
                return pipelines.Rank(std::shared_ptr<const VectorIndex>(OpenIndex(folder, open)),
                                      folder, runs);
              },
          .create_index =
              [](const std::filesystem::path& folder, const serve::NewIndex& index) {
                CreateEmptyIndex(folder, {.factory = index.type,
                                          .metric = index.metric,
                                          .dimension = index.dimension,
                                          .fingerprint = index.fingerprint});
              },
          .open_embedder = [embedder, pipelines](const std::vector<std::string>& runs)
              -> std::shared_ptr<const Embedder> {
            train::EmbedderOptions options = embedder;
            SetEmbedding(pipelines.EmbeddingOf(runs), &options);
            return train::OpenEmbedder(runs, options);
          }};
}

void RunServe(const ServeArguments& arguments) {
  if (arguments.log_json) LogAsJson();
  SetLogLevel(arguments.log_level);
  const v1::ServeConfig config = ReadConfig(arguments);
  const serve::Openers openers = OpenersOf(arguments, config);
  if (arguments.check) {
    std::cout << "the config is valid\n";
    return;
  }
  RaiseDescriptorLimit();
  TakeLocksWithoutChecks();
  serve::RetrievalServer server(config, {.training = JobSeams(), .predictors = {}});
  server.Load(openers);
  // From here on a signal stops gracefully; while loading it ends the process, which has
  // nothing to lose then: jobs that were begun go on from their checkpoints next time.
  CatchStopSignals();
  if (!arguments.port_file.empty()) {
    WriteFileAtomically(arguments.port_file, std::to_string(server.port()) + "\n");
  }
  if (!arguments.http_port_file.empty() && server.http_port() > 0) {
    WriteFileAtomically(arguments.http_port_file, std::to_string(server.http_port()) + "\n");
  }
  std::cout << "listening on " << server.address() << std::endl;
  if (server.http_port() > 0) std::cout << "page and JSON on " << server.http_url() << std::endl;
  NotifyServiceManager("READY=1");
  WaitForStopSignal();
  NotifyServiceManager("STOPPING=1");
  spdlog::info("stopping: calls under way may finish within {} ms", config.drain_timeout_ms());
  server.Stop(std::chrono::milliseconds(config.drain_timeout_ms()));
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
  verb.add_option("--pipeline", arguments->pipeline,
                  "YAML file of ranking steps (`fluke list steps`) that the index is searched by");
  verb.add_option("--data", arguments->data,
                  "folder where the server keeps what clients make: collections and aliases");
  verb.add_option("--listen", arguments->listen,
                  "HOST:PORT, default 127.0.0.1:50051; port 0: any free one");
  verb.add_option("--http", arguments->http,
                  "HOST:PORT of web page, JSON and metrics; port 0: any free one; default: none");
  verb.add_flag("--read-only", arguments->read_only, "take no changes, and no lock of the index");
  verb.add_option("--set", arguments->overrides, "KEY=VALUE, overrides the config");
  verb.add_flag("--check", arguments->check, "only read the config and say what is wrong with it");
  verb.add_option("--port-file", arguments->port_file, "file to write the port to, once serving");
  verb.add_option("--log-level", arguments->log_level,
                  "error, warning, info or debug (a line for each call)")
      ->capture_default_str();
  verb.add_flag("--log-json", arguments->log_json, "log JSON lines");
  verb.add_option("--http-port-file", arguments->http_port_file,
                  "file to write the port of --http to, once serving");
  verb.add_option("--device", arguments->device,
                  "auto (default), cpu, cuda: of the model; gpu: of model and index");
  verb.add_option("--precision", arguments->embedder.precision,
                  "fp32 (default) or bf16 (where the CPU has instructions for it)");
  verb.callback([arguments] { RunServe(*arguments); });
}

}  // namespace fluke::cli
