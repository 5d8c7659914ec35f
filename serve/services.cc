#include "serve/services.h"

#include <array>

#include "fluke/v1/collections.pb.h"
#include "fluke/v1/inference.pb.h"
#include "fluke/v1/retrieval.pb.h"
#include "fluke/v1/training.pb.h"

namespace fluke::serve {

using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

std::span<const ServiceDescriptor* const> Services() {
  // A message of each file, because the services themselves are plain gRPC classes.
  static const std::array<const ServiceDescriptor*, 4> services = {
      v1::SearchRequest::descriptor()->file()->FindServiceByName("Retrieval"),
      v1::Collection::descriptor()->file()->FindServiceByName("Collections"),
      v1::ClassifyRequest::descriptor()->file()->FindServiceByName("Inference"),
      v1::Job::descriptor()->file()->FindServiceByName("Training")};
  return services;
}

const MethodDescriptor* FindMethod(std::string_view service_and_method) {
  for (const ServiceDescriptor* service : Services()) {
    const std::string& name = service->full_name();
    if (!service_and_method.starts_with(name)) continue;
    const std::string_view rest = service_and_method.substr(name.size());
    if (!rest.starts_with('/')) continue;
    return service->FindMethodByName(std::string(rest.substr(1)));
  }
  return nullptr;
}

}  // namespace fluke::serve
