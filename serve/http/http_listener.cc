#include "serve/http/http_listener.h"

#include <sys/socket.h>

#include <chrono>
#include <thread>
#include <type_traits>
#include <utility>

#include <spdlog/spdlog.h>

#include "common/error.h"
#include "serve/bounded_queue.h"

namespace fluke::serve {
namespace {

// What the connections of one listener share.
struct Shared {
  HttpLimits limits;
  std::atomic<bool> ending = false;
  std::atomic<int> waiting = 0;  // connections that no thread has taken yet
};

// Set while the thread that accepts runs a connection's task because no other will.
thread_local bool refusing_connection = false;
// Set by a request after which its connection cannot go on: its body was not read.
thread_local bool close_connection = false;

// Bounded, unlike httplib's own.
class ConnectionThreads final : public httplib::TaskQueue {
 public:
  ConnectionThreads(int threads, int waiting, Shared* shared)
      : shared_(*shared), connections_(static_cast<size_t>(waiting), UINT64_MAX) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { Loop(); });
    }
  }

  // httplib 0.11 has this return nothing, 0.18 a bool.
  using Enqueued = decltype(std::declval<httplib::TaskQueue&>().enqueue(nullptr));
  Enqueued enqueue(std::function<void()> connection) override {
    shared_.waiting.fetch_add(1);
    if (!connections_.TryPush(connection)) {
      shared_.waiting.fetch_sub(1);
      refusing_connection = true;
      connection();
      refusing_connection = false;
    }
    return static_cast<Enqueued>(true);
  }

  void shutdown() override {
    connections_.Close();
    threads_.clear();  // joins
  }

 private:
  void Loop() {
    for (;;) {
      const auto batch = connections_.PopBatch(1);
      if (batch.empty()) return;
      shared_.waiting.fetch_sub(1);
      batch.front()();
    }
  }

  Shared& shared_;
  BoundedQueue<std::function<void()>> connections_;
  std::vector<std::jthread> threads_;
};

void RefuseConnection(int socket, bool tls) {
  constexpr std::string_view kAnswer =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
      "Connection: close\r\n\r\n";
  if (!tls) send(socket, kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(socket, SHUT_RDWR);
  close(socket);
}

template <typename Base>
class BoundedServer final : public Base {
 public:
  template <typename... Arguments>
  explicit BoundedServer(Shared* shared, const Arguments&... arguments)
      : Base(arguments...), shared_(*shared) {}

  // The queue of the system, which httplib asks to be very short.
  void LengthenQueue(int connections) { ::listen(Base::svr_sock_.load(), connections); }

 private:
  void* tls() const {
    if constexpr (requires { Base::ssl_context(); }) {
      return Base::ssl_context();
    } else {
      return nullptr;
    }
  }

  bool process_and_close_socket(socket_t socket) override {
    if (refusing_connection) {
      RefuseConnection(socket, tls() != nullptr);
      return false;
    }
    HttpConnection connection(socket, tls(), shared_.limits, shared_.waiting, shared_.ending);
    if (!connection.Handshake()) return false;
    for (int left = shared_.limits.requests; left > 0; --left) {
      if (!connection.AwaitRequest()) break;
      bool closed = false;
      close_connection = false;
      if (!Process(*this, connection, left == 1, closed)) break;
      if (closed || close_connection) break;
    }
    return true;
  }

  // No parts of an answer: a short request could ask for very many of them. No compression: brotli
  // takes far longer than the way.
  static void Simplify(httplib::Request& request) {
    request.ranges.clear();
    request.headers.erase("Accept-Encoding");
  }

  // httplib 0.11 asks the stream for its addresses, 0.18 is told them.
  template <typename Server>
  static bool Process(Server& server, HttpConnection& connection, bool last, bool& closed) {
    if constexpr (requires { server.process_request(connection, last, closed, Simplify); }) {
      return server.process_request(connection, last, closed, Simplify);
    } else {
      std::string remote, local;
      int remote_port = 0, local_port = 0;
      connection.get_remote_ip_and_port(remote, remote_port);
      connection.get_local_ip_and_port(local, local_port);
      return server.process_request(connection, remote, remote_port, local, local_port, last,
                                    closed, Simplify);
    }
  }

  Shared& shared_;
};

bool HasBody(const httplib::Request& request) {
  const std::string length = request.get_header_value("Content-Length");
  return request.has_header("Transfer-Encoding") || (!length.empty() && length != "0");
}

// What is left of the request would be taken for another one.
void CloseAfter(httplib::Response& response) {
  response.set_header("Connection", "close");
  close_connection = true;
}

}  // namespace

bool HttpCanTls() {
#ifdef CPPHTTPLIB_OPENSSL_SUPPORT
  return true;
#else
  return false;
#endif
}

class HttpListener::Impl {
 public:
  Impl(const HttpListenerOptions& options, Refuse refuse, Handle handle) {
    shared_.limits = options.limits;
    if (options.certificate.empty()) {
      Open<httplib::Server>(options);
    } else {
#ifdef CPPHTTPLIB_OPENSSL_SUPPORT
      Open<httplib::SSLServer>(options, options.certificate.c_str(), options.private_key.c_str(),
                               options.client_ca.empty() ? nullptr : options.client_ca.c_str());
#else
      Throw(absl::StatusCode::kUnimplemented,
            "the HTTP library of this build has no TLS, which `access.certificate` asks for");
#endif
    }
    Configure(options, std::move(refuse), std::move(handle));
    thread_ = std::jthread([this, host = options.host] { Accept(host); });
  }

  int port() const { return port_; }

  void Stop() {
    if (shared_.ending.exchange(true)) return;
    // A server that has not begun to accept yet would not hear of it.
    while (!server_->is_running() && !ended_.load()) std::this_thread::yield();
    server_->stop();
    thread_.join();
  }

 private:
  template <typename Base, typename... Arguments>
  void Open(const HttpListenerOptions& options, const Arguments&... arguments) {
    auto server = std::make_unique<BoundedServer<Base>>(&shared_, arguments...);
    if (!server->is_valid()) {
      InvalidArgument(
          "access.certificate and access.private_key: expected PEM files that belong "
          "together");
    }
    // Two servers on one port would share its connections silently, as httplib has it.
    server->set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    port_ = options.port;
    if (options.port == 0) {
      port_ = server->bind_to_any_port(options.host);
    } else if (!server->bind_to_port(options.host, options.port)) {
      port_ = -1;
    }
    if (port_ <= 0) {
      Throw(absl::StatusCode::kUnavailable, "cannot listen for HTTP on '", options.host, ":",
            options.port, "': expected HOST:PORT with a port that is free and allowed");
    }
    server->LengthenQueue(options.waiting_connections);
    server_ = std::move(server);
  }

  // httplib ends at an error that would pass, such as a machine short of memory for a moment.
  void Accept(const std::string& host) {
    for (;;) {
      server_->listen_after_bind();
      if (shared_.ending.load()) break;
      spdlog::error("HTTP: accepting connections failed; trying again");
      std::this_thread::sleep_for(std::chrono::seconds(1));
      if (shared_.ending.load() || !server_->bind_to_port(host, port_)) break;
    }
    ended_.store(true);
  }

  void Configure(const HttpListenerOptions& options, Refuse refuse, Handle handle) {
    server_->new_task_queue = [this, threads = options.threads,
                               waiting = options.waiting_connections] {
      return new ConnectionThreads(threads, waiting, &shared_);
    };
    server_->set_payload_max_length(options.limits.body_bytes);
    server_->set_keep_alive_max_count(static_cast<size_t>(options.limits.requests));
    server_->set_keep_alive_timeout(
        std::chrono::duration_cast<std::chrono::seconds>(options.limits.idle).count());
    server_->set_pre_routing_handler(
        [refuse = std::move(refuse), handle](const httplib::Request& request,
                                             httplib::Response& response) {
          using Response = httplib::Server::HandlerResponse;
          if (!refuse(request, response)) {
            if (request.method == "POST") return Response::Unhandled;  // its body is read first
            handle(request, response);
          }
          if (HasBody(request)) CloseAfter(response);
          return Response::Handled;
        });
    server_->Post(".*", handle);
    // What httplib itself refuses.
    server_->set_error_handler([](const httplib::Request& request, httplib::Response& response) {
      if (response.body.empty()) CloseAfter(response);
    });
  }

  Shared shared_;
  std::unique_ptr<httplib::Server> server_;
  int port_ = 0;
  std::atomic<bool> ended_ = false;
  std::jthread thread_;
};

HttpListener::HttpListener(const HttpListenerOptions& options, Refuse refuse, Handle handle)
    : impl_(std::make_unique<Impl>(options, std::move(refuse), std::move(handle))) {}

HttpListener::~HttpListener() { Stop(); }

int HttpListener::port() const { return impl_->port(); }

void HttpListener::Stop() { impl_->Stop(); }

}  // namespace fluke::serve
