// What a gRPC server does not take from its connections, beyond what a call may say.
#pragma once

#include <grpcpp/server_builder.h>

namespace fluke::serve {

// Connections that say nothing at their beginning, or whose other end has vanished, are closed;
// compressed messages are refused (UNIMPLEMENTED).
void LimitConnections(grpc::ServerBuilder* builder);

}  // namespace fluke::serve
