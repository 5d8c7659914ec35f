// Asks a server by the standard health protocol (grpc.health.v1) whether it serves: what probes of
// containers ask.
#pragma once

#include <string>

#include "serve/client/client_options.h"

namespace fluke::serve {

// True where `service` ("": the server as a whole) is SERVING, false where it is NOT_SERVING or its
// state is unknown. Throws UNAVAILABLE or DEADLINE_EXCEEDED where no server answers within
// options.timeout, NOT_FOUND where the server knows no such service.
bool IsServing(const std::string& address, const std::string& service,
               const ClientOptions& options);

}  // namespace fluke::serve
