#include "serve/http/json_gateway.h"

#include <utility>

#include <google/protobuf/util/json_util.h>
#include <nlohmann/json.hpp>

#include "common/text.h"
#include "serve/metrics.h"

namespace fluke::serve {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;

std::unique_ptr<Message> New(const Descriptor& type) {
  return std::unique_ptr<Message>(MessageFactory::generated_factory()->GetPrototype(&type)->New());
}

JsonAnswer ErrorAnswer(grpc::StatusCode code, std::string_view message) {
  return {.http_status = HttpStatusOf(code),
          .body = JsonOfError(CodeName(code), message),
          .request_id = {}};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Message>> MessageFromJson(const Descriptor& type,
                                                         std::string_view json) {
  std::unique_ptr<Message> message = New(type);
  const auto status =
      google::protobuf::util::JsonStringToMessage({json.data(), json.size()}, message.get());
  if (!status.ok()) {
    const auto why = status.message();
    return absl::InvalidArgumentError(
        StrCat("the body is no ", type.full_name(),
               " in JSON: ", std::string_view(why.data(), std::min<size_t>(why.size(), 500))));
  }
  return message;
}

absl::StatusOr<std::string> JsonOfMessage(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) {
    return absl::InternalError("the answer cannot be said in JSON");
  }
  return json;
}

std::string JsonOfError(std::string_view code, std::string_view message) {
  return nlohmann::json({{"code", code}, {"message", message}})
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

int HttpStatusOf(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK:
      return 200;
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::OUT_OF_RANGE:
      return 400;
    case grpc::StatusCode::UNAUTHENTICATED:
      return 401;
    case grpc::StatusCode::PERMISSION_DENIED:
      return 403;
    case grpc::StatusCode::NOT_FOUND:
      return 404;
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::ABORTED:
      return 409;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return 429;
    case grpc::StatusCode::CANCELLED:
      return 499;
    case grpc::StatusCode::UNIMPLEMENTED:
      return 501;
    case grpc::StatusCode::UNAVAILABLE:
      return 503;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return 504;
    default:
      return 500;
  }
}

JsonAnswer CallWithJson(OwnCalls& calls, const google::protobuf::MethodDescriptor& method,
                        std::string_view json, const HttpCaller& caller) {
  const auto request = MessageFromJson(*method.input_type(), json);
  if (!request.ok()) {
    return ErrorAnswer(grpc::StatusCode::INVALID_ARGUMENT,
                       {request.status().message().data(), request.status().message().size()});
  }
  const std::unique_ptr<Message> response = New(*method.output_type());
  const OwnCalls::Result result = calls.Call(method, **request, caller, response.get());
  JsonAnswer answer;
  if (!result.status.ok()) {
    answer = ErrorAnswer(result.status.error_code(), result.status.error_message());
  } else if (auto body = JsonOfMessage(*response); body.ok()) {
    answer.body = *std::move(body);
  } else {
    answer = ErrorAnswer(grpc::StatusCode::INTERNAL, "the answer cannot be said in JSON");
  }
  answer.request_id = result.request_id;
  return answer;
}

}  // namespace fluke::serve
