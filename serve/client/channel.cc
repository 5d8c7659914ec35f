#include "serve/client/channel.h"

#include <algorithm>

#include <grpcpp/create_channel.h>

#include "common/error.h"
#include "serve/access/request_id.h"
#include "serve/access/tls.h"

namespace fluke::serve {

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address,
                                           const ClientOptions& options) {
  // gRPC ends the process over a header that HTTP does not allow.
  const auto is_visible = [](char c) { return c > 0x20 && c < 0x7f; };
  if (!std::ranges::all_of(options.api_key, is_visible)) {
    InvalidArgument("the API key has characters that no key has (spaces, line ends or others)");
  }
  grpc::ChannelArguments arguments;
  // A large k with metadata exceeds gRPC's default of 4 MiB.
  arguments.SetMaxReceiveMessageSize(-1);
  if (!options.server_name.empty()) arguments.SetSslTargetNameOverride(options.server_name);
  return grpc::CreateCustomChannel(address, MakeChannelCredentials(options), arguments);
}

std::string PrepareCall(const ClientOptions& options, grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + options.timeout);
  if (!options.api_key.empty()) {
    context->AddMetadata("authorization", "Bearer " + options.api_key);
  }
  std::string request_id = NewRequestId();
  context->AddMetadata(kRequestIdHeader, request_id);
  return request_id;
}

}  // namespace fluke::serve
