#include "serve/calls/call_gate.h"

#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "serve/access/request_id.h"
#include "serve/status.h"

namespace fluke::serve {
namespace {

using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

std::string_view FirstOf(const Metadata& metadata, const char* name) {
  const auto found = metadata.find(name);
  if (found == metadata.end()) return {};
  return {found->second.data(), found->second.size()};
}

// In quotes, with what would break a line of a log escaped.
std::string Quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', /*ensure_ascii=*/true,
                                   nlohmann::json::error_handler_t::replace);
}

}  // namespace

absl::Status CallGate::Enter(const Method& method, grpc::CallbackServerContext& context,
                             CallTicket* ticket) {
  under_way_.fetch_add(1);
  ticket->began_at = std::chrono::steady_clock::now();
  const Metadata& metadata = context.client_metadata();
  ticket->request_id = UsableRequestId(FirstOf(metadata, kRequestIdHeader));
  if (ticket->request_id.empty()) ticket->request_id = NewRequestId();
  context.AddInitialMetadata(kRequestIdHeader, ticket->request_id);

  const std::string peer = context.peer();
  const CallHeaders headers{.authorization = FirstOf(metadata, "authorization"),
                            .api_key = FirstOf(metadata, "api-key"),
                            .forwarded_for = FirstOf(metadata, "x-forwarded-for"),
                            .peer = peer};
  Admission admission;
  if (loading_.load()) {
    admission.status = absl::UnavailableError("the server is loading");
  } else if (refusing_.load()) {
    admission.status = absl::UnavailableError("the server is stopping");
  } else if (access_ != nullptr) {
    admission = access_->Admit(method, headers);
  }
  ticket->caller = std::move(admission.caller);
  if (ticket->caller.name.empty()) ticket->caller.name = AddressOf(headers);
  if (admission.status.ok()) return absl::OkStatus();

  if (admission.retry_after.count() > 0) {
    context.AddTrailingMetadata("retry-after-ms", std::to_string(admission.retry_after.count()));
  }
  Log(method, admission.status.code(), *ticket);
  // A known caller's attempt. Those who only knock at the door must not be able to fill the disk.
  if (absl::IsPermissionDenied(admission.status)) {
    Audit(method, admission.status.code(), *ticket);
  }
  under_way_.fetch_sub(1);
  return admission.status;
}

absl::Status CallGate::Count(const CallTicket& ticket) {
  if (access_ == nullptr) return absl::OkStatus();
  const auto retry_after = access_->Count(ticket.caller);
  return retry_after.count() == 0 ? absl::OkStatus() : TooManyRequests(retry_after);
}

void CallGate::Leave(const Method& method, grpc::StatusCode code, const CallTicket& ticket) {
  Log(method, static_cast<absl::StatusCode>(code), ticket);
  Audit(method, static_cast<absl::StatusCode>(code), ticket);
  under_way_.fetch_sub(1);
}

void CallGate::Log(const Method& method, absl::StatusCode code, const CallTicket& ticket) const {
  const auto level = IsServersFault(code) ? spdlog::level::err : spdlog::level::debug;
  if (!spdlog::should_log(level)) return;
  const std::chrono::duration<double, std::milli> took =
      std::chrono::steady_clock::now() - ticket.began_at;
  const auto code_name = absl::StatusCodeToString(code);
  spdlog::log(
      level, "call request={} method={} caller={} code={} ms={:.1f}{}{}", Quoted(ticket.request_id),
      method.name, Quoted(ticket.caller.name), std::string_view(code_name.data(), code_name.size()),
      took.count(),
      ticket.fault.empty() ? "" : " fault=", ticket.fault.empty() ? "" : Quoted(ticket.fault));
}

void CallGate::Audit(const Method& method, absl::StatusCode code, const CallTicket& ticket) {
  if (audit_log_ == nullptr || method.right == Right::kRead) return;
  audit_log_->Write({.request_id = ticket.request_id,
                     .caller = ticket.caller.name,
                     .method = method.name,
                     .collection = ticket.collection,
                     .code = code});
}

}  // namespace fluke::serve
