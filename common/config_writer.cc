// ConfigToYaml: the other way of config.cc.
#include <algorithm>
#include <string>
#include <vector>

#include "common/config.h"
#include "common/config_scalar.h"
#include "common/text.h"
#include "fluke/v1/config.pb.h"

namespace fluke {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string MessageLines(const Message& message, size_t indent);

std::string FlowList(const std::vector<std::string>& values) {
  return StrCat("[", StrJoin(values, ", "), "]");
}

// The entries of a (rest) map, each a line beside the message's own fields; sorted, since protobuf
// maps have no order.
std::string ParameterLines(const Message& message, const FieldDescriptor* field, size_t indent) {
  const Reflection* reflection = message.GetReflection();
  std::vector<std::string> lines;
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    const Message& entry = reflection->GetRepeatedMessage(message, field, i);
    const auto* key = entry.GetDescriptor()->map_key();
    const auto* value = entry.GetDescriptor()->map_value();
    const auto& numbers =
        static_cast<const v1::Numbers&>(entry.GetReflection()->GetMessage(entry, value));
    std::vector<std::string> texts;
    for (double number : numbers.value()) texts.push_back(NumberToYaml(number));
    lines.push_back(StrCat(std::string(indent, ' '), ScalarToYaml(entry, key, kSingularSlot), ": ",
                           texts.size() == 1 ? texts[0] : FlowList(texts), "\n"));
  }
  std::sort(lines.begin(), lines.end());
  return StrJoin(lines, "");
}

std::string RepeatedLines(const Message& message, const FieldDescriptor* field, size_t indent) {
  const Reflection* reflection = message.GetReflection();
  const int size = reflection->FieldSize(message, field);
  const std::string margin(indent, ' ');
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || size == 0) {
    std::vector<std::string> values;
    for (int i = 0; i < size; ++i) values.push_back(ScalarToYaml(message, field, i));
    return StrCat(margin, field->name(), ": ", FlowList(values), "\n");
  }
  std::string lines = StrCat(margin, field->name(), ":\n");
  for (int i = 0; i < size; ++i) {
    std::string element =
        MessageLines(reflection->GetRepeatedMessage(message, field, i), indent + 4);
    if (element.empty()) {
      lines += StrCat(margin, "  - {}\n");
      continue;
    }
    element[indent + 2] = '-';
    lines += element;
  }
  return lines;
}

std::string SingularLines(const Message& message, const FieldDescriptor* field, size_t indent) {
  const Reflection* reflection = message.GetReflection();
  const bool present = reflection->HasField(message, field);
  const std::string margin(indent, ' ');
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    // An absent required section has nothing to show: its own required fields are absent too.
    if (!present && field->options().GetExtension(v1::required)) return "";
    const std::string lines = MessageLines(reflection->GetMessage(message, field), indent + 2);
    return StrCat(margin, field->name(), lines.empty() ? ": {}\n" : ":\n", lines);
  }
  // "not given" and "given as empty text" differ, so what has no default is left out.
  if (!present && !field->has_default_value()) return "";
  return StrCat(margin, field->name(), ": ", ScalarToYaml(message, field, kSingularSlot), "\n");
}

std::string MessageLines(const Message& message, size_t indent) {
  std::string lines;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    lines += field->options().GetExtension(v1::rest) ? ParameterLines(message, field, indent)
             : field->is_repeated()                  ? RepeatedLines(message, field, indent)
                                                     : SingularLines(message, field, indent);
  }
  return lines;
}

}  // namespace

std::string ConfigToYaml(const Message& message) { return MessageLines(message, 0); }

}  // namespace fluke
