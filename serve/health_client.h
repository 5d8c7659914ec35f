// Asks a server by the standard health protocol (grpc.health.v1) whether it serves: what probes of
// containers ask.
#pragma once

#include <chrono>
#include <string>

namespace fluke::serve {

// True where `service` ("": the server as a whole) is SERVING, false where it is NOT_SERVING or its
// state is unknown. Throws UNAVAILABLE or DEADLINE_EXCEEDED where no server answers within
// `timeout`, NOT_FOUND where the server knows no such service.
bool IsServing(const std::string& address, const std::string& service,
               std::chrono::milliseconds timeout);

}  // namespace fluke::serve
