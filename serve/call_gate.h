// The door that every call of a server passes on its way in and on its way out.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "serve/metrics.h"

namespace fluke::serve {

// What a caller must be allowed to do. Each includes those before it.
enum class Right { kRead, kWrite, kAdmin };

struct Method {
  std::string_view name;  // "Retrieval/Search"
  Right right = Right::kRead;
};

// Counts the calls under way and turns them away when the server stops. Thread-safe.
class CallGate {
 public:
  // `metrics` outlives the gate; null: calls are not counted.
  explicit CallGate(Metrics* metrics = nullptr) : metrics_(metrics) {}

  // From now on every call is answered UNAVAILABLE.
  void RefuseCalls() { refusing_.store(true); }
  // Calls that were taken in and whose answer has not left yet.
  int64_t calls_under_way() const { return under_way_.load(); }

  // Not OK: the call is to be answered with that. OK: it is taken in, and Leave follows.
  absl::Status Enter(const Method& method, const grpc::CallbackServerContext& context) {
    under_way_.fetch_add(1);
    if (!refusing_.load()) return absl::OkStatus();
    under_way_.fetch_sub(1);
    return absl::UnavailableError("the server is stopping");
  }
  void Leave(const Method& method, grpc::StatusCode code) { under_way_.fetch_sub(1); }

  // Of every call, also one that was not taken in, just before its answer leaves.
  void CountAnswer(const Method& method, grpc::StatusCode code, MetricClock::time_point begin) {
    if (metrics_ != nullptr) metrics_->CountCall(method.name, code, begin);
  }

 private:
  Metrics* const metrics_;
  std::atomic<bool> refusing_ = false;
  std::atomic<int64_t> under_way_ = 0;
};

}  // namespace fluke::serve
