// A server with HTTP on a free port of 127.0.0.1, a client of it, and connections that send any
// bytes at any time.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <memory>
#include <sstream>
#include <string>

#include <gtest/gtest.h>
#include <httplib.h>
#include <nlohmann/json.hpp>

#include "tests/serve/running_server.h"

namespace fluke::serve {

inline v1::ServeConfig HttpConfig() {
  v1::ServeConfig config = LoopbackConfig();
  config.set_http_listen("127.0.0.1:0");
  return config;
}

inline std::unique_ptr<httplib::Client> ClientOf(int port) {
  auto client = std::make_unique<httplib::Client>("127.0.0.1", port);
  client->set_keep_alive(true);
  client->set_tcp_nodelay(true);
  client->set_read_timeout(30);
  return client;
}

// A server and its HTTP client.
struct HttpRunningServer : RunningServer {
  explicit HttpRunningServer(const v1::ServeConfig& config = HttpConfig(), bool with_model = true)
      : RunningServer(config, with_model), http(ClientOf(server.http_port())) {}

  httplib::Result Post(const std::string& method, const std::string& json,
                       const httplib::Headers& headers = {}) const {
    return http->Post("/api/fluke.v1." + method, headers, json, "application/json");
  }
  // The value of a series as it stands in the text: `name{label="x"}`; -1: there is none.
  double Metric(const std::string& series) const {
    const auto answer = http->Get("/metrics");
    std::istringstream lines(answer ? answer->body : "");
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(series + " ")) return std::stod(line.substr(series.size() + 1));
    }
    return -1;
  }

  std::unique_ptr<httplib::Client> http;
};

// Owns a connection to 127.0.0.1.
class RawConnection {
 public:
  explicit RawConnection(int port, int receive_buffer_bytes = 0)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer_bytes > 0) {
      setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(int));
    }
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~RawConnection() { close(socket_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  bool connected() const { return connected_; }
  // False once the server has closed.
  bool Send(const std::string& bytes) const {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t n = send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += static_cast<size_t>(n);
    }
    return true;
  }
  // Until the server closes, or `until` has come.
  std::string Receive(const std::string& until = "",
                      std::chrono::milliseconds timeout = std::chrono::seconds(20)) const {
    std::string all;
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (until.empty() || all.find(until) == std::string::npos) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      pollfd waiting = {.fd = socket_, .events = POLLIN, .revents = 0};
      if (left.count() <= 0 || poll(&waiting, 1, static_cast<int>(left.count())) <= 0) {
        ADD_FAILURE() << "nothing more came, so far: " << all.substr(0, 1000);
        break;
      }
      char buffer[4096];
      const ssize_t n = recv(socket_, buffer, sizeof(buffer), 0);
      if (n <= 0) break;
      all.append(buffer, static_cast<size_t>(n));
    }
    return all;
  }

 private:
  int socket_;
  bool connected_ = false;
};

}  // namespace fluke::serve
