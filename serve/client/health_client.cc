#include "serve/client/health_client.h"

#include <future>

#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include "common/error.h"
#include "common/text.h"
#include "serve/client/channel.h"

namespace fluke::serve {
namespace {

// grpc.health.v1's messages, which Debian's gRPC has no header of, look like these on the wire: one
// field, number 1, of text and of an enum.
using HealthCheckRequest = google::protobuf::StringValue;
using HealthCheckResponse = google::protobuf::Int32Value;
constexpr int kServing = 1;

}  // namespace

bool IsServing(const std::string& address, const std::string& service,
               const ClientOptions& options) {
  grpc::TemplatedGenericStub<HealthCheckRequest, HealthCheckResponse> stub(
      OpenChannel(address, options));
  grpc::ClientContext context;
  PrepareCall(options, &context);
  HealthCheckRequest request;
  request.set_value(service);
  HealthCheckResponse response;
  std::promise<grpc::Status> answered;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::StubOptions(), &request, &response,
                 [&](grpc::Status status) { answered.set_value(std::move(status)); });
  const grpc::Status status = answered.get_future().get();
  if (!status.ok()) {
    const std::string about = service.empty() ? "" : StrCat(", service '", service, "'");
    Throw(static_cast<absl::StatusCode>(status.error_code()), "server ", address, about, ": ",
          status.error_message());
  }
  return response.value() == kServing;
}

}  // namespace fluke::serve
