// What a single connection may hold of the server, so that hostile, half-open and forgotten ones
// cost little.
#pragma once

#include <grpcpp/server_builder.h>

namespace fluke::serve {

// Connections that say nothing at their beginning, or whose other end has vanished, are closed;
// compressed messages are refused (UNIMPLEMENTED).
void LimitConnections(grpc::ServerBuilder* builder);

}  // namespace fluke::serve
