// The services of fluke.v1 as their contracts describe them.
#pragma once

#include <span>
#include <string_view>

#include <google/protobuf/descriptor.h>

namespace fluke::serve {

std::span<const google::protobuf::ServiceDescriptor* const> Services();

// "fluke.v1.Retrieval/Search"; null where there is no such method.
const google::protobuf::MethodDescriptor* FindMethod(std::string_view service_and_method);

}  // namespace fluke::serve
