// One connection to the HTTP server: its bytes, with or without TLS, within bounds of time and size
// that httplib's own streams do not have (theirs hold for each read alone, so that a client who
// sends a byte now and then is never done).
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <httplib.h>

namespace fluke::serve {

struct HttpLimits {
  std::chrono::milliseconds idle{5000};       // between requests of a connection
  std::chrono::milliseconds headers{10000};   // until all of a request's headers are there
  std::chrono::milliseconds body{60000};      // until all of its body is there
  std::chrono::milliseconds progress{10000};  // until the client takes more of an answer
  size_t header_bytes = 16 << 10;
  size_t body_bytes = 64 << 20;
  // Instead of the two, while other connections wait for a thread: slow clients must not shut out
  // the others.
  std::chrono::milliseconds hurried_headers{1000};
  std::chrono::milliseconds hurried_body{5000};
  int requests = 1000;  // of one connection
};

// Owns the socket. Used by one thread; `ending` may be set by any.
class HttpConnection final : public httplib::Stream {
 public:
  // tls: an SSL_CTX, or null. others: connections that wait for a thread. `limits`, `others` and
  // `ending` outlive the connection.
  HttpConnection(int socket, void* tls, const HttpLimits& limits, const std::atomic<int>& others,
                 const std::atomic<bool>& ending);
  // Tells the client why its request was not heard to the end, where that is so, and closes.
  ~HttpConnection() override;
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // False: the client is not who it must be, or too slow.
  bool Handshake();
  // Waits for the next request, as long as nobody else waits for this thread. False: there is none.
  bool AwaitRequest();

  bool is_readable() const override { return true; }
  bool is_writable() const override { return failure_ == Failure::kNone; }
  ssize_t read(char* to, size_t size) override;
  ssize_t write(const char* from, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override;

 private:
  using Clock = std::chrono::steady_clock;
  enum class Failure { kNone, kGone, kTooSlow, kHeadersTooLong, kBodyTooLong };
  struct Tls;

  struct Deadline {
    Clock::time_point last;
    Clock::time_point hurried;  // while others wait
  };
  static Deadline In(std::chrono::milliseconds last, std::chrono::milliseconds hurried);

  bool Fill(const Deadline& deadline);
  bool HasPassed(const Deadline& deadline) const;
  // Waits for the socket; false when `deadline` has passed or the server ends.
  bool Wait(short events, const Deadline& deadline) const;
  // Bytes read or written; 0: the other end has closed; -1: not now, wait for `events`; -2: error.
  ssize_t Receive(char* to, size_t size, short* events);
  ssize_t Transmit(const char* from, size_t size, short* events);
  bool WriteAll(std::string_view bytes, std::chrono::milliseconds progress);
  bool NoteRead(std::string_view bytes);
  void Tell();

  const int socket_;
  const HttpLimits& limits_;
  const std::atomic<int>& others_;
  const std::atomic<bool>& ending_;
  std::unique_ptr<Tls> tls_;
  std::vector<char> buffer_ = std::vector<char>(16 << 10);
  size_t begin_ = 0, end_ = 0;  // of what is not read yet in `buffer_`
  Failure failure_ = Failure::kNone;
  bool is_first_ = true;
  // Of the request at hand.
  bool has_begun_ = false;
  bool in_headers_ = true;
  int line_length_ = 0;
  size_t header_bytes_ = 0, body_bytes_ = 0;
  Deadline deadline_;
};

}  // namespace fluke::serve
