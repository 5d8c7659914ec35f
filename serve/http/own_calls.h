// Calls of our own server from within the process. They come in at the same door as those from
// outside, so that HTTP needs no checks of its own.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

namespace fluke::serve {

// Of whoever asked over HTTP. Empty: not sent.
struct HttpCaller {
  std::string authorization;
  std::string api_key;
  std::string request_id;
  std::string address;  // becomes `x-forwarded-for`
  std::chrono::milliseconds timeout = std::chrono::seconds(30);
};

// Thread-safe; the server outlives its calls.
class OwnCalls {
 public:
  explicit OwnCalls(std::shared_ptr<grpc::Channel> channel) : stub_(std::move(channel)) {}

  struct Result {
    grpc::Status status;
    std::string request_id;  // that the server gave or took over; empty: none
  };
  // Waits for the answer. `request` and `response` are of the method's types. UNAUTHENTICATED or
  // INVALID_ARGUMENT, without a call, where the caller's words cannot be sent in a header.
  Result Call(const google::protobuf::MethodDescriptor& method,
              const google::protobuf::Message& request, const HttpCaller& caller,
              google::protobuf::Message* response);

 private:
  grpc::GenericStub stub_;
};

}  // namespace fluke::serve
