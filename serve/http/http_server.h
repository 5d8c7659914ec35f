// What `fluke serve` answers over HTTP: the page and its files, photographs, the services as JSON,
// health and metrics. Every call goes through our own gRPC server (own_calls.h), which checks it.
//
//   GET  /, /app.js, /style.css ...    the page (serve/web/)
//   GET  /page.json                    what the page must know before it has a key
//   GET  /photo?collection=C&id=ITEM[&size=PIXELS]   the item's photograph as a JPEG
//   POST /api/fluke.v1.SERVICE/METHOD  a call, JSON in and out
//   GET  /healthz, /readyz, /metrics
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <grpcpp/channel.h>

#include "fluke/v1/config.pb.h"

namespace fluke::serve {

// What the HTTP server asks its own program; all of it is called from several threads.
struct HttpSources {
  std::shared_ptr<grpc::Channel> channel;  // to the gRPC server of this process
  std::function<bool()> is_ready;
  std::function<std::string()> metrics;  // Prometheus' text format
  // Folder of the photographs of a collection, by name or alias, empty = the default one; "" where
  // it has none.
  std::function<std::string(const std::string& collection)> photos_folder;
};

class HttpServer {
 public:
  // Listens on config.http_listen and answers at once. Throws INVALID_ARGUMENT for an address that
  // is none and a certificate that cannot be used, UNAVAILABLE for an address that is taken.
  HttpServer(const v1::ServeConfig& config, HttpSources sources);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const;
  const std::string& url() const;  // "http://127.0.0.1:8080/"
  // Takes no more connections and returns when those under way have ended.
  void Stop();

 private:
  class Routes;
  std::unique_ptr<Routes> routes_;
  struct Listening;
  std::unique_ptr<Listening> listening_;
};

}  // namespace fluke::serve
