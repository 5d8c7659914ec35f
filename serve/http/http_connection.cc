#include "serve/http/http_connection.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#ifdef CPPHTTPLIB_OPENSSL_SUPPORT
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

namespace fluke::serve {
namespace {

using std::chrono::milliseconds;

// How soon a waiting thread sees that the server ends or that others wait.
constexpr milliseconds kLook(50);

// What the marks between the chunks of a body may take; httplib bounds the body alone.
constexpr size_t kChunkingBytes = 1 << 20;

// A part of an answer that the client takes as a whole, or is too slow.
constexpr size_t kTransmitBytes = 64 << 10;

void AddressOf(int socket, bool remote, std::string& ip, int& port) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if ((remote ? getpeername(socket, any, &size) : getsockname(socket, any, &size)) != 0) return;
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
    port = ntohs(v4->sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    port = ntohs(v6->sin6_port);
  }
  ip = text;
}

}  // namespace

#ifdef CPPHTTPLIB_OPENSSL_SUPPORT
struct HttpConnection::Tls {
  explicit Tls(void* context, int socket) : ssl(SSL_new(static_cast<SSL_CTX*>(context))) {
    if (ssl != nullptr) SSL_set_fd(ssl, socket);
  }
  ~Tls() { SSL_free(ssl); }
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  // As Receive and Transmit answer.
  ssize_t ResultOf(int result, short* events) const {
    if (result > 0) return result;
    switch (SSL_get_error(ssl, result)) {
      case SSL_ERROR_WANT_READ:
        *events = POLLIN;
        return -1;
      case SSL_ERROR_WANT_WRITE:
        *events = POLLOUT;
        return -1;
      case SSL_ERROR_ZERO_RETURN:
        return 0;
      default:
        return -2;
    }
  }

  SSL* ssl;
};
#else
struct HttpConnection::Tls {};
#endif

HttpConnection::HttpConnection(int socket, void* tls, const HttpLimits& limits,
                               const std::atomic<int>& others, const std::atomic<bool>& ending)
    : socket_(socket), limits_(limits), others_(others), ending_(ending) {
  fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL) | O_NONBLOCK);
  const int yes = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
#ifdef CPPHTTPLIB_OPENSSL_SUPPORT
  if (tls != nullptr) tls_ = std::make_unique<Tls>(tls, socket);
#endif
}

HttpConnection::~HttpConnection() {
  Tell();
  tls_.reset();
  close(socket_);
}

HttpConnection::Deadline HttpConnection::In(milliseconds last, milliseconds hurried) {
  const Clock::time_point now = Clock::now();
  return {.last = now + last, .hurried = now + std::min(last, hurried)};
}

bool HttpConnection::HasPassed(const Deadline& deadline) const {
  return Clock::now() >= (others_.load() > 0 ? deadline.hurried : deadline.last);
}

bool HttpConnection::Wait(short events, const Deadline& deadline) const {
  while (!HasPassed(deadline) && !ending_.load()) {
    pollfd waiting = {.fd = socket_, .events = events, .revents = 0};
    const int found = poll(&waiting, 1, static_cast<int>(kLook.count()));
    if (found > 0) return true;
    if (found < 0 && errno != EINTR) return false;
  }
  return false;
}

bool HttpConnection::Handshake() {
  if (tls_ == nullptr) return true;
#ifdef CPPHTTPLIB_OPENSSL_SUPPORT
  const Deadline deadline = In(limits_.headers, limits_.hurried_headers);
  while (tls_->ssl != nullptr) {
    ERR_clear_error();
    const int result = SSL_accept(tls_->ssl);
    if (result == 1) return true;
    short events = 0;
    if (tls_->ResultOf(result, &events) != -1 || !Wait(events, deadline)) break;
  }
#endif
  failure_ = Failure::kGone;
  return false;
}

ssize_t HttpConnection::Receive(char* to, size_t size, short* events) {
#ifdef CPPHTTPLIB_OPENSSL_SUPPORT
  if (tls_ != nullptr) {
    ERR_clear_error();
    return tls_->ResultOf(SSL_read(tls_->ssl, to, static_cast<int>(size)), events);
  }
#endif
  const ssize_t got = recv(socket_, to, size, 0);
  if (got >= 0) return got;
  *events = POLLIN;
  return errno == EAGAIN || errno == EINTR ? -1 : -2;
}

ssize_t HttpConnection::Transmit(const char* from, size_t size, short* events) {
#ifdef CPPHTTPLIB_OPENSSL_SUPPORT
  if (tls_ != nullptr) {
    ERR_clear_error();
    return tls_->ResultOf(SSL_write(tls_->ssl, from, static_cast<int>(size)), events);
  }
#endif
  const ssize_t sent = send(socket_, from, size, MSG_NOSIGNAL);
  if (sent >= 0) return sent;
  *events = POLLOUT;
  return errno == EAGAIN || errno == EINTR ? -1 : -2;
}

bool HttpConnection::Fill(const Deadline& deadline) {
  for (;;) {
    short events = POLLIN;
    const ssize_t got = Receive(buffer_.data(), buffer_.size(), &events);
    if (got > 0) {
      begin_ = 0;
      end_ = static_cast<size_t>(got);
      return true;
    }
    if (got != -1) {
      failure_ = Failure::kGone;
      return false;
    }
    if (!Wait(events, deadline)) {
      failure_ = ending_.load() ? Failure::kGone : Failure::kTooSlow;
      return false;
    }
  }
}

bool HttpConnection::AwaitRequest() {
  if (failure_ != Failure::kNone) return false;
  has_begun_ = false;
  in_headers_ = true;
  line_length_ = 0;
  header_bytes_ = body_bytes_ = 0;
  const milliseconds hurried = is_first_ ? limits_.hurried_headers : kLook;
  is_first_ = false;
  if (begin_ == end_ && !Fill(In(limits_.idle, hurried))) {
    failure_ = Failure::kGone;  // nothing was asked: there is nobody to be told
    return false;
  }
  has_begun_ = true;
  deadline_ = In(limits_.headers, limits_.hurried_headers);
  return true;
}

// Where the headers end, and whether all is within its bounds.
bool HttpConnection::NoteRead(std::string_view bytes) {
  size_t i = 0;
  for (; i < bytes.size() && in_headers_; ++i) {
    ++header_bytes_;
    if (bytes[i] == '\n') {
      in_headers_ = line_length_ > 0;
      if (!in_headers_) deadline_ = In(limits_.body, limits_.hurried_body);
      line_length_ = 0;
    } else if (bytes[i] != '\r') {
      ++line_length_;
    }
  }
  body_bytes_ += bytes.size() - i;
  if (header_bytes_ > limits_.header_bytes) failure_ = Failure::kHeadersTooLong;
  if (body_bytes_ > limits_.body_bytes + kChunkingBytes) failure_ = Failure::kBodyTooLong;
  return failure_ == Failure::kNone;
}

ssize_t HttpConnection::read(char* to, size_t size) {
  if (failure_ != Failure::kNone) return -1;
  if (begin_ == end_ && !Fill(deadline_)) return -1;
  if (HasPassed(deadline_)) {
    failure_ = Failure::kTooSlow;
    return -1;
  }
  const size_t count = std::min(size, end_ - begin_);
  if (!NoteRead({buffer_.data() + begin_, count})) return -1;
  std::copy_n(buffer_.data() + begin_, count, to);
  begin_ += count;
  return static_cast<ssize_t>(count);
}

// httplib answers what it could not read to the end as a bad request; Tell() knows better why.
ssize_t HttpConnection::write(const char* from, size_t size) {
  if (failure_ != Failure::kNone) return -1;
  if (!WriteAll({from, size}, limits_.progress)) {
    failure_ = Failure::kGone;
    return -1;
  }
  return static_cast<ssize_t>(size);
}

bool HttpConnection::WriteAll(std::string_view bytes, milliseconds progress) {
  while (!bytes.empty()) {
    const Deadline deadline = In(progress, progress);
    std::string_view part = bytes.substr(0, kTransmitBytes);
    bytes.remove_prefix(part.size());
    while (!part.empty()) {
      short events = POLLOUT;
      const ssize_t sent = Transmit(part.data(), part.size(), &events);
      if (sent > 0) {
        part.remove_prefix(static_cast<size_t>(sent));
      } else if (sent != -1 || !Wait(events, deadline)) {
        return false;
      }
    }
  }
  return true;
}

void HttpConnection::Tell() {
  std::string_view status;
  switch (failure_) {
    case Failure::kTooSlow:
      status = "408 Request Timeout";
      break;
    case Failure::kHeadersTooLong:
      status = "431 Request Header Fields Too Large";
      break;
    case Failure::kBodyTooLong:
      status = "413 Payload Too Large";
      break;
    default:
      break;
  }
  if (!status.empty() && has_begun_) {
    const std::string answer =
        "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    WriteAll(answer, milliseconds(200));
  }
  if (failure_ == Failure::kGone) return;
    // What the client still sends is thrown away for a moment: closing over it would reset the
    // connection, and the answer with it.
#ifdef CPPHTTPLIB_OPENSSL_SUPPORT
  if (tls_ != nullptr) SSL_shutdown(tls_->ssl);
#endif
  shutdown(socket_, SHUT_WR);
  const Deadline deadline = In(milliseconds(200), milliseconds(0));
  for (int i = 0; i < 64 && Wait(POLLIN, deadline); ++i) {
    if (recv(socket_, buffer_.data(), buffer_.size(), 0) <= 0) break;
  }
}

void HttpConnection::get_remote_ip_and_port(std::string& ip, int& port) const {
  AddressOf(socket_, true, ip, port);
}

void HttpConnection::get_local_ip_and_port(std::string& ip, int& port) const {
  AddressOf(socket_, false, ip, port);
}

// httplib refuses numbers that do not fit select(), which is not used here.
socket_t HttpConnection::socket() const { return socket_ < FD_SETSIZE ? socket_ : -1; }

}  // namespace fluke::serve
