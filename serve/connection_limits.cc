#include "serve/connection_limits.h"

namespace fluke::serve {
namespace {

constexpr int kHandshakeTimeoutMs = 20'000;    // gRPC's own: two minutes
constexpr int kPingIdlePeersEveryMs = 60'000;  // gRPC's own: two hours
constexpr int kPingTimeoutMs = 20'000;

}  // namespace

void LimitConnections(grpc::ServerBuilder* builder) {
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingIdlePeersEveryMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  // gRPC unpacks a message before it looks at its size: a megabyte of gzip becomes a gigabyte in
  // memory. Photographs and vectors do not become smaller by it anyway.
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
}

}  // namespace fluke::serve
