#include "serve/server.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>

#include "absl/strings/match.h"
#include "common/error.h"
#include "common/text.h"
#include "serve/http_server.h"
#include "serve/metrics.h"
#include "serve/pipeline.h"
#include "serve/retrieval_service.h"

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
  options.metrics = metrics.stages();
  return options;
}

// A stopping gRPC server ends calls that reach it afterwards with CANCELLED. For this long clients
// are told properly instead.
constexpr std::chrono::milliseconds kRefusalPeriod(200);

// "127.0.0.1:0" and the chosen port -> "127.0.0.1:43121"; other kinds of address ("unix:...") stay.
std::string WithPort(const std::string& listen, int port) {
  const size_t colon = listen.rfind(':');
  if (absl::StartsWith(listen, "unix") || colon == std::string::npos) return listen;
  return StrCat(listen.substr(0, colon + 1), port);
}

}  // namespace

struct RetrievalServer::Parts {
  template <typename Index>
  Parts(std::shared_ptr<Index> index, std::shared_ptr<const Embedder> embedder,
        const v1::ServeConfig& config)
      : catalogue(std::make_shared<const ServedIndex>(std::move(index), std::move(embedder))),
        stages(PipelineOptionsOf(config, metrics)),
        service(&catalogue, RequestLimits{.max_k = config.max_k()}, &stages, &gate) {}

  Gauges ReadGauges() const;

  // In this order: the server's calls use the service, the service uses the stages; HTTP calls the
  // server.
  Metrics metrics;
  Catalogue catalogue;
  CallGate gate{&metrics};
  Stages stages;
  RetrievalService service;
  std::unique_ptr<grpc::Server> server;
  std::string address;
  int port = 0;
  std::atomic<bool> is_ready = false;
  std::unique_ptr<HttpServer> http;  // null: off
  std::once_flag stopped;
};

Gauges RetrievalServer::Parts::ReadGauges() const {
  const auto current = catalogue.Find("")->Current();
  const IndexInfo& info = current->info;
  const Gauges::Collection collection{
      .name = "default",
      .model_fingerprint = current->embedder == nullptr ? "" : current->embedder->fingerprint(),
      .items = info.size,
      .changed_items = info.changed,
      .snapshot = info.snapshot,
      .memory_bytes = info.memory_bytes,
      .disk_bytes = info.bytes};
  const Pipeline& pipeline = stages.pipeline;
  return {.queues = {{"decode", pipeline.waiting_images()},
                     {"embed", pipeline.waiting_pixels()},
                     {"search", pipeline.waiting_searches()},
                     {"look_ups", stages.look_ups.waiting()},
                     {"changes", stages.changes.waiting()}},
          .collections = {collection},
          .embedding_cache_bytes = pipeline.embedding_cache_bytes(),
          .calls_under_way = gate.calls_under_way()};
}

RetrievalServer::RetrievalServer(std::shared_ptr<const VectorIndex> index,
                                 std::shared_ptr<const Embedder> embedder,
                                 const v1::ServeConfig& config)
    : parts_(std::make_unique<Parts>(std::move(index), std::move(embedder), config)) {
  Listen(config);
}

RetrievalServer::RetrievalServer(std::shared_ptr<LiveIndex> index,
                                 std::shared_ptr<const Embedder> embedder,
                                 const v1::ServeConfig& config)
    : parts_(std::make_unique<Parts>(std::move(index), std::move(embedder), config)) {
  Listen(config);
}

void RetrievalServer::Listen(const v1::ServeConfig& config) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.SetOption(std::make_unique<ReflectionOption>(config.reflection()));
  builder.SetMaxReceiveMessageSize(config.max_request_mb() << 20);
  // Two servers on one port would share its connections silently.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(config.listen(), grpc::InsecureServerCredentials(), &parts_->port);
  builder.RegisterService(&parts_->service);
  parts_->server = builder.BuildAndStart();
  if (parts_->server == nullptr || parts_->port == 0) {
    Throw(absl::StatusCode::kUnavailable, "cannot listen on '", config.listen(),
          "': expected HOST:PORT with a port that is free and allowed");
  }
  parts_->address = WithPort(config.listen(), parts_->port);
  grpc::HealthCheckServiceInterface& health = *parts_->server->GetHealthCheckService();
  health.SetServingStatus(v1::Retrieval::service_full_name(), true);
  health.SetServingStatus("", true);
  parts_->is_ready.store(true);
  if (config.has_http_listen()) ListenForHttp(config);
}

void RetrievalServer::ListenForHttp(const v1::ServeConfig& config) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  Parts* parts = parts_.get();
  HttpSources sources{.channel = parts->server->InProcessChannel(arguments),
                      .is_ready = [parts] { return parts->is_ready.load(); },
                      .metrics = [parts] { return parts->metrics.Expose(parts->ReadGauges()); },
                      .photos_folder = [parts, photos = config.photos()](
                                           const std::string& collection) { return photos; }};
  parts->http = std::make_unique<HttpServer>(config, std::move(sources));
}

RetrievalServer::~RetrievalServer() {
  if (parts_->server != nullptr) Stop(std::chrono::milliseconds(0));
}

const std::string& RetrievalServer::address() const { return parts_->address; }

int RetrievalServer::port() const { return parts_->port; }

int RetrievalServer::http_port() const {
  return parts_->http == nullptr ? 0 : parts_->http->port();
}

std::string RetrievalServer::http_url() const {
  return parts_->http == nullptr ? "" : parts_->http->url();
}

void RetrievalServer::Stop(std::chrono::milliseconds drain_timeout) {
  using Clock = std::chrono::steady_clock;
  std::call_once(parts_->stopped, [&] {
    grpc::Server& server = *parts_->server;
    parts_->is_ready.store(false);
    server.GetHealthCheckService()->Shutdown();
    parts_->gate.RefuseCalls();
    const Clock::time_point begin = Clock::now();
    const auto is_draining = [&] {
      const auto passed = Clock::now() - begin;
      return passed < drain_timeout &&
             (passed < kRefusalPeriod || parts_->gate.calls_under_way() > 0);
    };
    while (is_draining()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    // Cancels what is left: calls that outlast the timeout, and streams that never end by
    // themselves (a health watch, reflection).
    server.Shutdown(std::chrono::system_clock::now());
    if (parts_->http != nullptr) parts_->http->Stop();
  });
}

}  // namespace fluke::serve
