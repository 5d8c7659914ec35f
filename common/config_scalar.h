// One YAML scalar -> one protobuf scalar, strictly, and back.
#pragma once

#include <string>
#include <string_view>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "common/yaml_tree.h"

namespace fluke {

// Which value of a field is meant: the only one, the next of a repeated field, or element 0, 1, ...
enum : int { kSingularSlot = -1, kNextSlot = -2 };

// "" when `node` was stored; otherwise what is wrong: "expected an integer, found 'ten'". Checks
// type, (min) and (max).
std::string StoreScalar(const YamlNode& node, const google::protobuf::FieldDescriptor* field,
                        int slot, google::protobuf::Message* message);

// The value as YAML that StoreScalar reads back to the same bits: numbers in their shortest form,
// text quoted where it must be. slot: kSingularSlot or an element.
std::string ScalarToYaml(const google::protobuf::Message& message,
                         const google::protobuf::FieldDescriptor* field, int slot);

// A finite number or a boolean (1 and 0), for named parameters. "" or what is wrong, as above.
std::string ParseParameter(const YamlNode& node, double* value);

std::string TextToYaml(std::string_view text);
std::string NumberToYaml(double value);

}  // namespace fluke
