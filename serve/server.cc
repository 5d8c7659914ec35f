#include "serve/server.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>

#include <spdlog/spdlog.h>

#include "absl/strings/match.h"
#include "common/error.h"
#include "common/text.h"
#include "serve/access/connection_limits.h"
#include "serve/access/tls.h"
#include "serve/collections/collections_service.h"
#include "serve/http/http_server.h"
#include "serve/inference_service.h"
#include "serve/jobs/training_jobs.h"
#include "serve/jobs/training_service.h"
#include "serve/metrics.h"
#include "serve/pipeline/pipeline.h"
#include "serve/retrieval/retrieval_service.h"

namespace fluke::serve {
namespace {

// gRPC's reflection library puts its plugin into every ServerBuilder of the process; this chooses
// for one builder.
class ReflectionOption final : public grpc::ServerBuilderOption {
 public:
  explicit ReflectionOption(bool enabled) : enabled_(enabled) {}
  void UpdateArguments(grpc::ChannelArguments* /*args*/) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    auto reflection = std::make_unique<grpc::reflection::ProtoServerReflectionPlugin>();
    std::erase_if(*plugins, [&](const auto& p) { return p->name() == reflection->name(); });
    if (enabled_) plugins->push_back(std::move(reflection));
  }

 private:
  bool enabled_;
};

PipelineOptions PipelineOptionsOf(const v1::ServeConfig& config, const Metrics& metrics) {
  PipelineOptions options;
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  options.decode_workers = config.threads() > 0 ? config.threads() : cores;
  options.max_image_pixels = config.max_image_pixels();
  options.embedding_cache_bytes = static_cast<size_t>(config.embedding_cache_mb()) << 20;
  const v1::Batching& batching = config.batching();
  options.max_embed_batch = static_cast<size_t>(batching.max_batch());
  options.max_queue_delay_us = std::chrono::microseconds(batching.max_queue_delay_us());
  for (const int size : batching.preferred_sizes()) {
    if (size < 1 || size > batching.max_batch()) {
      InvalidArgument("batching: a preferred size of ", size,
                      ", expected 1 to max_batch, which is ", batching.max_batch());
    }
    options.preferred_embed_batches.push_back(static_cast<size_t>(size));
  }
  std::ranges::sort(options.preferred_embed_batches);
  options.metrics = metrics.stages();
  return options;
}

// Of more collections than this, by name, there are no gauges.
constexpr uint32_t kMaxGaugedCollections = 1024;

// A stopping gRPC server ends calls that reach it afterwards with CANCELLED. For this long clients
// are told properly instead.
constexpr std::chrono::milliseconds kRefusalPeriod(200);

// "127.0.0.1:0" and the chosen port -> "127.0.0.1:43121"; other kinds of address ("unix:...") stay.
std::string WithPort(const std::string& listen, int port) {
  const size_t colon = listen.rfind(':');
  if (absl::StartsWith(listen, "unix") || colon == std::string::npos) return listen;
  return StrCat(listen.substr(0, colon + 1), port);
}

std::unique_ptr<AuditLog> OpenAuditLog(const v1::Access& config) {
  return config.audit_log().empty() ? nullptr : std::make_unique<AuditLog>(config.audit_log());
}

// gRPC answers reflection itself, before any key is looked at: with keys it is off unless the
// config asks for it in so many words.
bool HasReflection(const v1::ServeConfig& config, const Access& access) {
  return config.reflection() && (config.has_reflection() || !access.has_keys());
}

}  // namespace

struct RetrievalServer::Parts {
  // `catalogue_arguments`: of the catalogue that there is from the beginning.
  template <typename... CatalogueArguments>
  Parts(const v1::ServeConfig& the_config, ServerSeams the_seams,
        CatalogueArguments... catalogue_arguments)
      : config(the_config),
        seams(std::move(the_seams)),
        access(config.access()),
        audit_log(OpenAuditLog(config.access())),
        gate(&access, audit_log.get(), &metrics),
        catalogue(std::move(catalogue_arguments)...),
        stages(PipelineOptionsOf(config, metrics)),
        service(&catalogue, RequestLimits{.max_k = config.max_k()}, &stages, &gate),
        collections(&catalogue, &gate),
        training(&gate),
        inference(seams.predictors, config.max_image_pixels(), &gate) {}

  Gauges ReadGauges() const;
  // Folder of the photographs of a collection; "": none.
  std::string PhotosFolder(const std::string& collection) const;

  const v1::ServeConfig config;
  const ServerSeams seams;
  // In this order: the server's calls use the services, the services use the stages; HTTP calls the
  // server.
  Metrics metrics;
  Access access;
  const std::unique_ptr<AuditLog> audit_log;  // null: none
  CallGate gate;
  Catalogue catalogue;
  Stages stages;
  RetrievalService service;
  CollectionsService collections;
  std::unique_ptr<TrainingJobs> jobs;  // null: none are run
  TrainingService training;
  InferenceService inference;
  std::unique_ptr<grpc::Server> server;
  std::string address;
  int port = 0;
  std::atomic<bool> ready = false;
  std::unique_ptr<HttpServer> http;  // null: off
  std::once_flag stopped;
};

Gauges RetrievalServer::Parts::ReadGauges() const {
  std::vector<Gauges::Collection> gauged;
  if (ready.load()) {
    v1::ListCollectionsRequest page;
    page.set_page_size(kMaxGaugedCollections);
    const v1::ListCollectionsResponse list = catalogue.List(page);
    for (const v1::Collection& c : list.collections()) {
      gauged.push_back({.name = c.name(),
                        .model_fingerprint = c.model_fingerprint(),
                        .items = c.size(),
                        .changed_items = c.changed(),
                        .snapshot = c.snapshot(),
                        .memory_bytes = static_cast<uint64_t>(c.memory_bytes()),
                        .disk_bytes = static_cast<uint64_t>(c.disk_bytes())});
    }
  }
  const Pipeline& pipeline = stages.pipeline;
  return {.queues = {{"decode", pipeline.waiting_images()},
                     {"embed", pipeline.waiting_pixels()},
                     {"search", pipeline.waiting_searches()},
                     {"look_ups", stages.look_ups.waiting()},
                     {"changes", stages.changes.waiting()}},
          .collections = std::move(gauged),
          .embedding_cache_bytes = pipeline.embedding_cache_bytes(),
          .calls_under_way = gate.calls_under_way()};
}

std::string RetrievalServer::Parts::PhotosFolder(const std::string& collection) const {
  const std::shared_ptr<const Collection> found = catalogue.Look(collection);
  const bool is_default = found->from_config && found->name == kDefaultCollection;
  return found->photos.empty() && is_default ? config.photos() : found->photos;
}

RetrievalServer::RetrievalServer(const v1::ServeConfig& config, ServerSeams seams)
    : parts_(std::make_unique<Parts>(config, std::move(seams))) {
  Listen();
}

RetrievalServer::RetrievalServer(std::shared_ptr<const VectorIndex> index,
                                 std::shared_ptr<const Embedder> embedder,
                                 const v1::ServeConfig& config, ServerSeams seams)
    : parts_(std::make_unique<Parts>(
          config, std::move(seams),
          std::make_shared<const ServedIndex>(std::move(index), std::move(embedder)))) {
  Listen();
  Serve();
}

RetrievalServer::RetrievalServer(std::shared_ptr<LiveIndex> index,
                                 std::shared_ptr<const Embedder> embedder,
                                 const v1::ServeConfig& config, ServerSeams seams)
    : parts_(std::make_unique<Parts>(
          config, std::move(seams),
          std::make_shared<const ServedIndex>(std::move(index), std::move(embedder)))) {
  Listen();
  Serve();
}

void RetrievalServer::Listen() {
  const v1::ServeConfig& config = parts_->config;
  parts_->gate.SetLoading(true);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  const bool has_reflection = HasReflection(config, parts_->access);
  builder.SetOption(std::make_unique<ReflectionOption>(has_reflection));
  builder.SetMaxReceiveMessageSize(config.max_request_mb() << 20);
  LimitConnections(&builder);
  builder.AddListeningPort(config.listen(), MakeServerCredentials(config.access()), &parts_->port);
  builder.RegisterService(&parts_->service);
  builder.RegisterService(&parts_->collections);
  builder.RegisterService(&parts_->training);
  builder.RegisterService(&parts_->inference);
  parts_->server = builder.BuildAndStart();
  if (parts_->server == nullptr || parts_->port == 0) {
    Throw(absl::StatusCode::kUnavailable, "cannot listen on '", config.listen(),
          "': expected HOST:PORT with a port that is free and allowed");
  }
  parts_->address = WithPort(config.listen(), parts_->port);
  for (const std::string& warning : ExposureWarnings(config.listen(), config.access())) {
    spdlog::warn("{}", warning);
  }
  SetHealth(false);
  if (config.has_http_listen()) ListenForHttp();
}

void RetrievalServer::ListenForHttp() {
  const v1::ServeConfig& config = parts_->config;
  for (const std::string& warning : ExposureWarnings(config.http_listen(), config.access())) {
    spdlog::warn("{}", warning);
  }
  Parts* parts = parts_.get();
  HttpSources sources{
      .channel = InProcessChannel(),
      .is_ready = [parts] { return parts->ready.load(); },
      .metrics = [parts] { return parts->metrics.Expose(parts->ReadGauges()); },
      .photos_folder = [parts](const std::string& name) { return parts->PhotosFolder(name); }};
  parts->http = std::make_unique<HttpServer>(config, std::move(sources));
}

void RetrievalServer::Load(Openers openers) {
  parts_->catalogue.Load(parts_->config, std::move(openers));
  Serve();
}

void RetrievalServer::Serve() {
  OpenJobs();
  parts_->gate.SetLoading(false);
  parts_->ready.store(true);
  SetHealth(true);
}

// Once collections are served: a job that is to be published finds its place.
void RetrievalServer::OpenJobs() {
  const v1::ServeConfig& config = parts_->config;
  if (config.data().empty() || config.jobs().data().empty()) return;
  TrainingSeams seams = parts_->seams.training;
  if (seams.publish == nullptr) {
    seams.publish = [&catalogue = parts_->catalogue](
                        const std::string& collection, const std::filesystem::path& index_folder,
                        const std::vector<std::string>& runs, const std::string& alias) {
      catalogue.Publish(collection, index_folder, runs, alias);
    };
  }
  parts_->jobs = std::make_unique<TrainingJobs>(config, std::move(seams));
  parts_->training.Open(parts_->jobs.get());
}

void RetrievalServer::SetHealth(bool serving) {
  grpc::HealthCheckServiceInterface& health = *parts_->server->GetHealthCheckService();
  for (const char* service :
       {v1::Retrieval::service_full_name(), v1::Collections::service_full_name(),
        v1::Training::service_full_name(), v1::Inference::service_full_name()}) {
    health.SetServingStatus(service, serving);
  }
  health.SetServingStatus("", serving);
}

RetrievalServer::~RetrievalServer() {
  if (parts_->server != nullptr) Stop(std::chrono::milliseconds(0));
}

bool RetrievalServer::is_ready() const { return parts_->ready.load(); }

Catalogue& RetrievalServer::catalogue() { return parts_->catalogue; }

const std::string& RetrievalServer::address() const { return parts_->address; }

int RetrievalServer::port() const { return parts_->port; }

int RetrievalServer::http_port() const {
  return parts_->http == nullptr ? 0 : parts_->http->port();
}

std::string RetrievalServer::http_url() const {
  return parts_->http == nullptr ? "" : parts_->http->url();
}

std::shared_ptr<grpc::Channel> RetrievalServer::InProcessChannel() const {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  return parts_->server->InProcessChannel(arguments);
}

void RetrievalServer::Stop(std::chrono::milliseconds drain_timeout) {
  using Clock = std::chrono::steady_clock;
  std::call_once(parts_->stopped, [&] {
    grpc::Server& server = *parts_->server;
    parts_->ready.store(false);
    server.GetHealthCheckService()->Shutdown();
    parts_->gate.RefuseCalls();
    parts_->service.EndStreams();
    if (parts_->jobs != nullptr) parts_->jobs->RequestStop();
    parts_->training.StopWatching();
    const Clock::time_point begin = Clock::now();
    const auto is_draining = [&] {
      const auto passed = Clock::now() - begin;
      return passed < drain_timeout &&
             (passed < kRefusalPeriod || parts_->gate.calls_under_way() > 0);
    };
    while (is_draining()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    parts_->service.EndCalibrations();
    // Cancels what is left: calls that outlast the timeout, and streams that never end by
    // themselves (a health watch, reflection).
    server.Shutdown(std::chrono::system_clock::now());
    if (parts_->http != nullptr) parts_->http->Stop();
  });
}

}  // namespace fluke::serve
