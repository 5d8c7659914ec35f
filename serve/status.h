// The one place where fluke's errors become gRPC statuses.
#pragma once

#include <exception>
#include <string_view>

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace fluke::serve {

// The codes are the same; the message is cut to what fits into a trailer.
grpc::Status ToGrpcStatus(const absl::Status& status);

// What the caller may know of an exception that `stage` ("decoding", "search" ...) ended with. A
// fluke::Error whose code puts it on the request keeps code and message; anything else is logged
// and becomes INTERNAL. A message that names a path of this machine is logged and left out.
absl::Status StatusOf(const std::exception_ptr& exception, std::string_view stage);

// True for "/srv/index/..." anywhere in the text, false for "a/b.jpg" and "images/s".
bool NamesAbsolutePath(std::string_view text);

}  // namespace fluke::serve
