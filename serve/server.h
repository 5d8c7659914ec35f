// The gRPC server: the retrieval service, standard health (grpc.health.v1) and reflection on one
// address; and the HTTP server (http_server.h) on another, where the config asks for it.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "common/embedder.h"
#include "common/vector_index.h"
#include "fluke/v1/config.pb.h"

namespace fluke::serve {

// Answers from construction to Stop. Owned by one thread; Stop may be called from another.
class RetrievalServer {
 public:
  // Listens on config.listen ("127.0.0.1:0": any free port) and answers at once. `embedder` may be
  // null: no image queries. Throws FAILED_PRECONDITION when the model is not the index's
  // (served_version.h), UNAVAILABLE when the address cannot be listened on. config.model and
  // config.index are not read: opening them is the caller's.
  RetrievalServer(std::shared_ptr<const VectorIndex> index,
                  std::shared_ptr<const Embedder> embedder, const v1::ServeConfig& config);
  // The same of an index that it changes, too.
  RetrievalServer(std::shared_ptr<LiveIndex> index, std::shared_ptr<const Embedder> embedder,
                  const v1::ServeConfig& config);
  // Stops without waiting for calls under way.
  ~RetrievalServer();
  RetrievalServer(const RetrievalServer&) = delete;
  RetrievalServer& operator=(const RetrievalServer&) = delete;

  // With the port that was chosen: "127.0.0.1:43121".
  const std::string& address() const;
  int port() const;
  // 0 and "" where HTTP is off; "http://127.0.0.1:8080/".
  int http_port() const;
  std::string http_url() const;

  // Graceful: health says NOT_SERVING, new calls are refused (UNAVAILABLE), calls under way may
  // finish within `drain_timeout`, then they are cancelled. Returns when no call is left; a second
  // call does nothing.
  void Stop(std::chrono::milliseconds drain_timeout);

 private:
  struct Parts;
  void Listen(const v1::ServeConfig& config);
  void ListenForHttp(const v1::ServeConfig& config);

  std::unique_ptr<Parts> parts_;
};

}  // namespace fluke::serve
