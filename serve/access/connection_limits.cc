#include "serve/access/connection_limits.h"

namespace fluke::serve {
namespace {

struct Limit {
  const char* argument;
  int value;
};

constexpr Limit kLimits[] = {
    // Two servers on one port would share its connections silently.
    {GRPC_ARG_ALLOW_REUSEPORT, 0},
    // Headers of one call, in bytes: room for a key, an id and what proxies add.
    {GRPC_ARG_MAX_METADATA_SIZE, 16 << 10},
    // Calls at a time; a client with more of them waits, or opens another connection.
    {GRPC_ARG_MAX_CONCURRENT_STREAMS, 1024},
    // Who connects must have said hello by then, TLS included.
    {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000},
    // A peer that is gone without a word is found by a ping that nobody answers.
    {GRPC_ARG_KEEPALIVE_TIME_MS, 60'000},
    {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000},
    {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1},
    // A client that pings more often than this, twice over, is sent away.
    {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000},
    {GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2},
};

}  // namespace

void LimitConnections(grpc::ServerBuilder* builder) {
  for (const Limit& limit : kLimits) builder->AddChannelArgument(limit.argument, limit.value);
  // gRPC unpacks a message before it looks at its size: a megabyte of gzip becomes a gigabyte in
  // memory. Photographs and vectors do not become smaller by it anyway.
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
}

}  // namespace fluke::serve
