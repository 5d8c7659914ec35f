// What clients of every service share: the connection, and what each call says of its caller.
#pragma once

#include <memory>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "serve/client/client_options.h"

namespace fluke::serve {

// Connects on the first call. Throws for files that cannot be used (tls.h), and for an API key that
// no header can carry.
std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address,
                                           const ClientOptions& options);

// Gives a call its deadline, the API key and a request id of its own, which is returned.
std::string PrepareCall(const ClientOptions& options, grpc::ClientContext* context);

}  // namespace fluke::serve
