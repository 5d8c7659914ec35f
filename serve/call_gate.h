// The door that every call of a server passes on its way in and on its way out.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"

namespace fluke::serve {

// What a caller must be allowed to do. Each includes those before it.
enum class Right { kRead, kWrite, kAdmin };

struct Method {
  std::string_view name;  // "Retrieval/Search"
  Right right = Right::kRead;
};

// Counts the calls under way and turns them away while the server loads and when it stops.
// Thread-safe.
class CallGate {
 public:
  // While the server loads, every call is answered UNAVAILABLE.
  void SetLoading(bool loading) { loading_.store(loading); }
  // From now on every call is answered UNAVAILABLE.
  void RefuseCalls() { refusing_.store(true); }
  // Calls that were taken in and whose answer has not left yet.
  int64_t calls_under_way() const { return under_way_.load(); }

  // Not OK: the call is to be answered with that. OK: it is taken in, and Leave follows.
  absl::Status Enter(const Method& method, const grpc::CallbackServerContext& context) {
    if (loading_.load()) return absl::UnavailableError("the server is loading");
    under_way_.fetch_add(1);
    if (!refusing_.load()) return absl::OkStatus();
    under_way_.fetch_sub(1);
    return absl::UnavailableError("the server is stopping");
  }
  void Leave(const Method& method, grpc::StatusCode code) { under_way_.fetch_sub(1); }

 private:
  std::atomic<bool> loading_ = false;
  std::atomic<bool> refusing_ = false;
  std::atomic<int64_t> under_way_ = 0;
};

}  // namespace fluke::serve
