// What a single connection may hold of the server, so that hostile, half-open and forgotten ones
// cost little.
#pragma once

#include <grpcpp/server_builder.h>

namespace fluke::serve {

void LimitConnections(grpc::ServerBuilder* builder);

}  // namespace fluke::serve
