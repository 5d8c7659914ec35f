// The one place where fluke's errors become gRPC statuses.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace fluke::serve {

// Who caused it? What the caller did wrong, or what may be otherwise later, is told in words of
// serve/ or of an Error; what is the server's fault (INTERNAL, UNKNOWN, DATA_LOSS) is told in the
// log alone.
bool IsServersFault(absl::StatusCode code);

// The codes are the same; the message is cut to what fits into a trailer. A server's fault says no
// more than that there was one, and the id of the request.
grpc::Status ToGrpcStatus(const absl::Status& status, std::string_view request_id = "");

// What the caller may know of an exception that `stage` ("decoding", "search" ...) ended with. A
// fluke::Error whose code puts it on the request keeps code and message; anything else is logged
// and becomes INTERNAL. A message that names a path of this machine is logged and left out.
absl::Status StatusOf(const std::exception_ptr& exception, std::string_view stage);

// True for "/srv/index/..." anywhere in the text, false for "a/b.jpg" and "images/s".
bool NamesAbsolutePath(std::string_view text);
// What StatusOf left out of the status; "" if nothing. It stays with copies of the status.
std::string FaultIn(const absl::Status& status);

// The same status, with "PREFIX: " before its message.
absl::Status WithPrefix(std::string_view prefix, const absl::Status& status);

}  // namespace fluke::serve
