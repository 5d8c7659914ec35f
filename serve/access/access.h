// Who calls, what they may do, and how often. Knows no gRPC call: it is given what a call said of
// itself, whichever way it came.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "fluke/v1/config.pb.h"
#include "serve/access/api_key.h"
#include "serve/access/rate_limit.h"

namespace fluke::serve {

// What a caller must be allowed to do. Each includes those before it.
enum class Right { kRead, kWrite, kAdmin };

struct Method {
  std::string_view name;  // "Retrieval/Search"
  Right right = Right::kRead;
};

// As the caller sent them; empty where it did not.
struct CallHeaders {
  std::string_view authorization = {};  // "Bearer KEY"
  std::string_view api_key = {};
  std::string_view forwarded_for = {};  // an address, from the HTTP gateway
  std::string_view peer = {};           // gRPC's name of the connection: "ipv4:10.0.0.7:41234"
};

struct Caller {
  std::string name;  // of its key; without keys its address
  Rate rate = {};
};

struct Admission {
  absl::Status status = {};  // UNAUTHENTICATED, PERMISSION_DENIED or RESOURCE_EXHAUSTED if not OK
  Caller caller = {};        // with a name as soon as it is known
  std::chrono::milliseconds retry_after{0};  // of RESOURCE_EXHAUSTED
};

// Thread-safe.
class Access {
 public:
  // Throws InvalidArgument for keys that are no keys, naming the first.
  explicit Access(const v1::Access& config,
                  RateLimiter::Clock clock = std::chrono::steady_clock::now);

  bool has_keys() const { return !keys_.empty(); }

  // The rules in this order: a known key where there are keys; the caller's rate; its role.
  Admission Admit(const Method& method, const CallHeaders& headers);
  // The rate alone, for what comes later in a call that was admitted: 0, or how long to wait.
  std::chrono::milliseconds Count(const Caller& caller);

 private:
  struct Key {
    std::string name;
    KeyHash hash;
    Right right;
    Rate rate;
  };
  const Key* Find(std::string_view presented) const;

  std::vector<Key> keys_;
  Rate rate_;  // of an address
  RateLimiter limiter_;
};

// RESOURCE_EXHAUSTED that says so.
absl::Status TooManyRequests(std::chrono::milliseconds retry_after);

// The address in gRPC's name of a connection: "10.0.0.7", "::1", "unix". What came through the
// server's own HTTP gateway has the address that the gateway forwards; nobody else's word counts.
std::string AddressOf(const CallHeaders& headers);

// True for "127.0.0.1:50051", "localhost:1", "[::1]:1" and "unix:...".
bool ListensOnLoopback(std::string_view listen);

// What whoever starts a server that listens there should know; empty: nothing.
std::vector<std::string> ExposureWarnings(std::string_view listen, const v1::Access& config);

}  // namespace fluke::serve
