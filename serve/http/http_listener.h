// Listens for HTTP and has its requests handled on threads of its own: httplib's parser and writer
// behind connections with bounds (http_connection.h).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <httplib.h>

#include "serve/http/http_connection.h"

namespace fluke::serve {

struct HttpListenerOptions {
  std::string host;
  int port = 0;  // 0: any free one
  // PEM files; empty: no TLS. Clients must show a certificate of `client_ca` where that is given.
  std::string certificate, private_key, client_ca;
  int threads = 32;               // requests at once
  int waiting_connections = 128;  // more are answered 503
  HttpLimits limits;
};

class HttpListener {
 public:
  // `handle` fills the answer to a request whose body has been read; it runs on several threads and
  // must not throw. `refuse`, called before the body is read, answers true when it has filled an
  // answer already.
  using Handle = std::function<void(const httplib::Request&, httplib::Response&)>;
  using Refuse = std::function<bool(const httplib::Request&, httplib::Response&)>;

  // Handles from now on. UNAVAILABLE: the address cannot be listened on; INVALID_ARGUMENT: the
  // certificate cannot be used.
  HttpListener(const HttpListenerOptions& options, Refuse refuse, Handle handle);
  ~HttpListener();
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  int port() const;
  // Takes no more connections, lets requests under way end, closes idle connections.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Is the HTTP library here one that can TLS?
bool HttpCanTls();

}  // namespace fluke::serve
