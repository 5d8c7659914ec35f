#include "serve/status.h"

#include <string>

#include <spdlog/spdlog.h>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "common/error.h"
#include "common/text.h"

namespace fluke::serve {
namespace {

// Trailers are limited to 8 KiB by default and gRPC writes a non-ASCII byte as three.
constexpr size_t kMaxMessageBytes = 1000;

constexpr char kFault[] = "fluke/fault";  // the payload with what the caller must not see

bool IsOnTheRequest(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

// Logged, and told in these words only.
absl::Status Hidden(absl::StatusCode code, std::string_view stage, std::string_view what) {
  spdlog::error("{} failed: {}", stage, what);
  absl::Status status(code, StrCat(stage, " failed; the server's log says why"));
  status.SetPayload(kFault, absl::Cord(AbslView(what)));
  return status;
}

}  // namespace

bool NamesAbsolutePath(std::string_view text) {
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    const bool begins_word =
        i == 0 || !(absl::ascii_isalnum(text[i - 1]) || text[i - 1] == '/' || text[i - 1] == '.' ||
                    text[i - 1] == '_' || text[i - 1] == '-');
    if (text[i] == '/' && begins_word && !absl::ascii_isspace(text[i + 1])) return true;
  }
  return false;
}

bool IsServersFault(absl::StatusCode code) {
  return code == absl::StatusCode::kInternal || code == absl::StatusCode::kUnknown ||
         code == absl::StatusCode::kDataLoss;
}

std::string FaultIn(const absl::Status& status) {
  const auto fault = status.GetPayload(kFault);
  return fault ? std::string(*fault) : "";
}

absl::Status WithPrefix(std::string_view prefix, const absl::Status& status) {
  if (status.ok()) return status;
  absl::Status named(status.code(), StrCat(prefix, ": ", status.message()));
  if (const auto fault = status.GetPayload(kFault)) named.SetPayload(kFault, *fault);
  return named;
}

grpc::Status ToGrpcStatus(const absl::Status& status, std::string_view request_id) {
  if (status.ok()) return grpc::Status::OK;
  if (IsServersFault(status.code())) {
    // What did not come through StatusOf may say anything.
    const absl::Status hidden =
        status.GetPayload(kFault)
            ? status
            : Hidden(status.code(), "the call",
                     std::string_view(status.message().data(), status.message().size()));
    return {static_cast<grpc::StatusCode>(hidden.code()),
            request_id.empty() ? std::string(hidden.message())
                               : StrCat(hidden.message(), " (request ", request_id, ")")};
  }
  std::string message(status.message().substr(0, kMaxMessageBytes));
  if (message.size() < status.message().size()) message += "...";
  return {static_cast<grpc::StatusCode>(status.code()), std::move(message)};
}

absl::Status StatusOf(const std::exception_ptr& exception, std::string_view stage) {
  try {
    std::rethrow_exception(exception);
  } catch (const Error& error) {
    if (IsOnTheRequest(error.code())) {
      if (!NamesAbsolutePath(error.what())) return {error.code(), error.what()};
      return Hidden(error.code(), stage, error.what());
    }
    return Hidden(absl::StatusCode::kInternal, stage, error.what());
  } catch (const std::exception& error) {
    return Hidden(absl::StatusCode::kInternal, stage, error.what());
  } catch (...) {
    return Hidden(absl::StatusCode::kInternal, stage, "an exception of unknown type");
  }
}

}  // namespace fluke::serve
