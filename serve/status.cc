#include "serve/status.h"

#include <string>

#include <spdlog/spdlog.h>

#include "absl/strings/ascii.h"
#include "common/error.h"
#include "common/text.h"

namespace fluke::serve {
namespace {

// Trailers are limited to 8 KiB by default and gRPC writes a non-ASCII byte as three.
constexpr size_t kMaxMessageBytes = 1000;

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

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
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
      spdlog::error("{} failed: {}", stage, error.what());
      return {error.code(), StrCat(stage, " failed; the server's log says why")};
    }
    spdlog::error("{} failed: {}", stage, error.what());
  } catch (const std::exception& error) {
    spdlog::error("{} failed: {}", stage, error.what());
  } catch (...) {
    spdlog::error("{} failed with an exception of unknown type", stage);
  }
  return absl::InternalError(StrCat(stage, " failed; the server's log says why"));
}

}  // namespace fluke::serve
