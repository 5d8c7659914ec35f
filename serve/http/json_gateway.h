// The unary methods of the services as JSON, by protobuf's own mapping: names as in the .proto
// files, fields without a value included, bytes as base64, 64-bit numbers as texts.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <google/protobuf/message.h>

#include "absl/status/statusor.h"
#include "serve/http/own_calls.h"

namespace fluke::serve {

// INVALID_ARGUMENT, naming the place, where the text is no JSON or does not fit the message.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> MessageFromJson(
    const google::protobuf::Descriptor& type, std::string_view json);

// INTERNAL where it cannot be said in JSON.
absl::StatusOr<std::string> JsonOfMessage(const google::protobuf::Message& message);

// {"code": "INVALID_ARGUMENT", "message": "..."}
std::string JsonOfError(std::string_view code, std::string_view message);

// The HTTP status that stands for a gRPC code (google/rpc/code.proto).
int HttpStatusOf(grpc::StatusCode code);

struct JsonAnswer {
  int http_status = 200;
  std::string body;
  std::string request_id;  // empty: none
};

// A call of a unary method, from JSON to JSON.
JsonAnswer CallWithJson(OwnCalls& calls, const google::protobuf::MethodDescriptor& method,
                        std::string_view json, const HttpCaller& caller);

}  // namespace fluke::serve
