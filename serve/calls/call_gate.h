// The door that every call of a server passes on its way in and on its way out.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "serve/access/access.h"
#include "serve/access/audit_log.h"
#include "serve/metrics.h"

namespace fluke::serve {

// What is known of one call; the call keeps it until it leaves.
struct CallTicket {
  std::string request_id;
  Caller caller;
  std::string collection = {};  // as the request calls it, for the audit log
  std::string fault = {};       // what the log shall say of a failure that is the server's
  std::chrono::steady_clock::time_point began_at = {};
};

// Counts the calls under way, turns them away while the server loads, when it stops or the caller
// may not make them, and writes of each to the logs. Thread-safe.
class CallGate {
 public:
  // Null: open to everybody; no audit log; calls are not counted. All of them outlive the gate.
  explicit CallGate(Access* access = nullptr, AuditLog* audit_log = nullptr,
                    Metrics* metrics = nullptr)
      : access_(access), audit_log_(audit_log), metrics_(metrics) {}

  // While the server loads, every call is answered UNAVAILABLE.
  void SetLoading(bool loading) { loading_.store(loading); }
  // From now on every call is answered UNAVAILABLE.
  void RefuseCalls() { refusing_.store(true); }
  // Calls that were taken in and whose answer has not left yet.
  int64_t calls_under_way() const { return under_way_.load(); }

  // Not OK: the call is to be answered with that. OK: it is taken in, and Leave follows. Fills the
  // ticket either way, and puts the request id into the answer's initial metadata (for a stream:
  // before its first message).
  absl::Status Enter(const Method& method, grpc::CallbackServerContext& context,
                     CallTicket* ticket);
  // Each further request on a stream that was taken in: RESOURCE_EXHAUSTED over the caller's rate.
  absl::Status Count(const CallTicket& ticket);
  // `ticket` as Enter filled it.
  void Leave(const Method& method, grpc::StatusCode code, const CallTicket& ticket);

  // Of every call, also one that was not taken in, just before its answer leaves.
  void CountAnswer(const Method& method, grpc::StatusCode code, const CallTicket& ticket) {
    if (metrics_ != nullptr) metrics_->CountCall(method.name, code, ticket.began_at);
  }

 private:
  void Log(const Method& method, absl::StatusCode code, const CallTicket& ticket) const;
  void Audit(const Method& method, absl::StatusCode code, const CallTicket& ticket);

  Access* const access_;
  AuditLog* const audit_log_;
  Metrics* const metrics_;
  std::atomic<bool> loading_ = false;
  std::atomic<bool> refusing_ = false;
  std::atomic<int64_t> under_way_ = 0;
};

}  // namespace fluke::serve
