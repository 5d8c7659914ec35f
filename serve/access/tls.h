// Certificates and keys for both ends of a connection, checked before gRPC, which would say no more
// than that it cannot listen.
#pragma once

#include <memory>
#include <string>

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include "fluke/v1/config.pb.h"
#include "serve/client/client_options.h"

namespace fluke::serve {

// Plain where `config` has no certificate; with client_ca, clients must show a certificate that it
// signed. Throws an error that names the file which is missing, unreadable, no PEM or does not go
// with the others.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const v1::Access& config);

// Plain where `options` ask for no TLS. Throws likewise.
std::shared_ptr<grpc::ChannelCredentials> MakeChannelCredentials(const ClientOptions& options);

}  // namespace fluke::serve
