#include "serve/http/own_calls.h"

#include <algorithm>
#include <future>
#include <utility>

#include <grpcpp/impl/codegen/proto_utils.h>

#include "common/text.h"

namespace fluke::serve {
namespace {

constexpr size_t kMaxHeaderBytes = 4096;

// gRPC ends the process over a metadata value that is none.
bool IsMetadataValue(std::string_view value) {
  return value.size() <= kMaxHeaderBytes &&
         std::ranges::all_of(value, [](char c) { return c >= 0x20 && c <= 0x7e; });
}

std::string Find(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata,
                 const char* name) {
  const auto found = metadata.find(name);
  if (found == metadata.end()) return "";
  return {found->second.data(), found->second.size()};
}

}  // namespace

OwnCalls::Result OwnCalls::Call(const google::protobuf::MethodDescriptor& method,
                                const google::protobuf::Message& request, const HttpCaller& caller,
                                google::protobuf::Message* response) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + caller.timeout);
  for (const auto& [name, value] :
       {std::pair("authorization", &caller.authorization), std::pair("api-key", &caller.api_key),
        std::pair("x-request-id", &caller.request_id),
        std::pair("x-forwarded-for", &caller.address)}) {
    if (value->empty()) continue;
    if (!IsMetadataValue(*value)) {
      return {{grpc::StatusCode::INVALID_ARGUMENT,
               StrCat("header ", name, ": expected at most ", kMaxHeaderBytes,
                      " printable ASCII characters")},
              ""};
    }
    context.AddMetadata(name, *value);
  }
  grpc::ByteBuffer request_bytes, response_bytes;
  bool own_buffer = false;
  grpc::Status status = grpc::SerializationTraits<google::protobuf::Message>::Serialize(
      request, &request_bytes, &own_buffer);
  if (!status.ok()) return {status, ""};
  std::promise<grpc::Status> ended;
  stub_.UnaryCall(&context, StrCat("/", method.service()->full_name(), "/", method.name()),
                  grpc::StubOptions(), &request_bytes, &response_bytes,
                  [&](grpc::Status result) { ended.set_value(std::move(result)); });
  status = ended.get_future().get();
  Result result{status, Find(context.GetServerInitialMetadata(), "x-request-id")};
  if (result.request_id.empty()) {
    result.request_id = Find(context.GetServerTrailingMetadata(), "x-request-id");
  }
  if (status.ok() &&
      !grpc::SerializationTraits<google::protobuf::Message>::Deserialize(&response_bytes, response)
           .ok()) {
    result.status = {grpc::StatusCode::INTERNAL, "the answer is not valid"};
  }
  return result;
}

}  // namespace fluke::serve
