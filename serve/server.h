// The gRPC server: the retrieval service, standard health (grpc.health.v1) and reflection on one
// address; and the HTTP server (http_server.h) on another, where the config asks for it.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "common/embedder.h"
#include "common/vector_index.h"
#include "fluke/v1/config.pb.h"
#include "serve/collections/catalogue.h"
#include "serve/collections/openers.h"
#include "serve/server_seams.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace fluke::serve {

// Answers until Stop. Owned by one thread; Stop may be called from another.
class RetrievalServer {
 public:
  // Listens on config.listen ("127.0.0.1:0": any free port) at once: health says NOT_SERVING and
  // calls are answered UNAVAILABLE until Load has returned. Throws UNAVAILABLE when the address
  // cannot be listened on, InvalidArgument for a config that says what cannot be, and for what
  // config.access says an error that names the key or the file.
  explicit RetrievalServer(const v1::ServeConfig& config, ServerSeams seams = {});
  // Opens the config's collections and those of its data folder, serves them, and goes on with the
  // training jobs there. Throws what Catalogue::Load and TrainingJobs do.
  void Load(Openers openers);

  // Listens and serves one collection at once; what the config says of collections is not read.
  // `embedder` may be null: no image queries. Throws also FAILED_PRECONDITION when the model is not
  // the index's (served_version.h).
  RetrievalServer(std::shared_ptr<const VectorIndex> index,
                  std::shared_ptr<const Embedder> embedder, const v1::ServeConfig& config,
                  ServerSeams seams = {});
  // The same of an index that it changes, too.
  RetrievalServer(std::shared_ptr<LiveIndex> index, std::shared_ptr<const Embedder> embedder,
                  const v1::ServeConfig& config, ServerSeams seams = {});
  // Stops without waiting for calls under way.
  ~RetrievalServer();
  RetrievalServer(const RetrievalServer&) = delete;
  RetrievalServer& operator=(const RetrievalServer&) = delete;

  // From Load to Stop.
  bool is_ready() const;
  Catalogue& catalogue();

  // With the port that was chosen: "127.0.0.1:43121".
  const std::string& address() const;
  int port() const;
  // 0 and "" where HTTP is off; "http://127.0.0.1:8080/".
  int http_port() const;
  std::string http_url() const;

  // A connection from within this process: past TLS, not past keys. Only over it is the address in
  // `x-forwarded-for` believed.
  std::shared_ptr<grpc::Channel> InProcessChannel() const;

  // Graceful: health says NOT_SERVING, new calls are refused (UNAVAILABLE), calls under way may
  // finish within `drain_timeout`, then they are cancelled. Returns when no call is left; a second
  // call does nothing. Training jobs are told to save a checkpoint; the destructor waits for them.
  void Stop(std::chrono::milliseconds drain_timeout);

 private:
  struct Parts;
  void Listen();
  void Serve();
  void OpenJobs();
  void SetHealth(bool serving);
  void ListenForHttp();

  std::unique_ptr<Parts> parts_;
};

}  // namespace fluke::serve
