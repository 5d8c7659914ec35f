#include "common/config_scalar.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

#include "absl/strings/ascii.h"
#include "common/text.h"
#include "fluke/v1/config.pb.h"

namespace fluke {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string Expected(std::string_view what, const YamlNode& node) {
  return StrCat("expected ", what, ", found ", Describe(node));
}

bool IsPlainScalar(const YamlNode& node) {
  return node.kind == YamlNode::Kind::kScalar && !node.quoted;
}

// std::from_chars refuses the plus sign that YAML allows.
std::string_view WithoutPlus(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  return text;
}

template <typename Integer>
std::string ParseNumber(const YamlNode& node, Integer* value) requires std::is_integral_v<Integer> {
  if (!IsPlainScalar(node)) return Expected("an integer", node);
  const std::string_view text = WithoutPlus(node.text);
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, *value);
  using Limits = std::numeric_limits<Integer>;
  const bool digits =
      text.find_first_not_of("0123456789", text.starts_with('-') ? 1 : 0) == std::string_view::npos;
  if (digits && text != "-" && (error != std::errc() || rest != end)) {
    return Expected(StrCat("an integer from ", Limits::min(), " to ", Limits::max()), node);
  }
  return error == std::errc() && rest == end ? "" : Expected("an integer", node);
}

bool IsNotFinite(std::string_view text) {
  std::string word = absl::AsciiStrToLower(AbslView(text));
  word.erase(0, word.find_first_not_of("+-."));
  return word == "nan" || word == "inf" || word == "infinity";
}

template <typename Real>
std::string ParseNumber(const YamlNode& node, Real* value) requires std::is_floating_point_v<Real> {
  if (!IsPlainScalar(node)) return Expected("a number", node);
  const std::string_view text = WithoutPlus(node.text);
  if (IsNotFinite(text)) return Expected("a finite number", node);
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, *value);
  if (rest != end || error == std::errc::invalid_argument) return Expected("a number", node);
  if (error == std::errc::result_out_of_range || !std::isfinite(*value)) {
    return Expected(sizeof(Real) == 4 ? "a number that a 32-bit float holds"
                                      : "a number that a 64-bit float holds",
                    node);
  }
  return "";
}

std::string ParseBool(const YamlNode& node, bool* value) {
  if (IsPlainScalar(node)) {
    for (std::string_view word : {"true", "True", "TRUE"}) {
      if (node.text == word) return *value = true, "";
    }
    for (std::string_view word : {"false", "False", "FALSE"}) {
      if (node.text == word) return *value = false, "";
    }
  }
  return Expected("true or false", node);
}

template <auto kSet, auto kSetAt, auto kAdd, typename Value>
void Put(const FieldDescriptor* field, int slot, Message* message, Value value) {
  const Reflection* reflection = message->GetReflection();
  if (slot == kSingularSlot) {
    (reflection->*kSet)(message, field, std::move(value));
  } else if (slot == kNextSlot) {
    (reflection->*kAdd)(message, field, std::move(value));
  } else {
    (reflection->*kSetAt)(message, field, slot, std::move(value));
  }
}

std::string CheckBounds(const YamlNode& node, const FieldDescriptor* field, double value) {
  const auto& options = field->options();
  const bool has_min = options.HasExtension(v1::min), has_max = options.HasExtension(v1::max);
  const double least = options.GetExtension(v1::min), most = options.GetExtension(v1::max);
  const bool is_float = field->cpp_type() == FieldDescriptor::CPPTYPE_FLOAT;
  const auto rounded =
      [&](double bound) {  // a float as near to .95 as floats come is not beyond .95
        return is_float ? static_cast<double>(static_cast<float>(bound)) : bound;
      };
  if ((!has_min || value >= rounded(least)) && (!has_max || value <= rounded(most))) return "";
  if (has_min && has_max) {
    return Expected(StrCat("a number from ", NumberToYaml(least), " to ", NumberToYaml(most)),
                    node);
  }
  return has_min ? Expected(StrCat("at least ", NumberToYaml(least)), node)
                 : Expected(StrCat("at most ", NumberToYaml(most)), node);
}

template <typename Value, auto kSet, auto kSetAt, auto kAdd>
std::string StoreNumber(const YamlNode& node, const FieldDescriptor* field, int slot,
                        Message* message) {
  Value value{};
  std::string wrong = ParseNumber(node, &value);
  if (wrong.empty()) wrong = CheckBounds(node, field, static_cast<double>(value));
  if (wrong.empty()) Put<kSet, kSetAt, kAdd>(field, slot, message, value);
  return wrong;
}

template <typename Number>
std::string Shortest(Number value) {
  std::array<char, 40> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  std::string text(buffer.data(), end);
  // YAML 1.1 readers take "5e-05" for text: they want a dot.
  const size_t exponent = text.find('e');
  if (exponent != std::string::npos && text.find('.') == std::string::npos) {
    text.insert(exponent, ".0");
  }
  return text;
}

// Text that every YAML version reads back as text, and as the same, without quotes.
bool IsSafePlain(std::string_view text) {
  if (text.empty() ||
      !(absl::ascii_isalpha(static_cast<unsigned char>(text[0])) || text[0] == '/')) {
    return false;
  }
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) &&
        std::string_view("_./@+-").find(c) == std::string_view::npos) {
      return false;
    }
  }
  constexpr std::string_view kWordsWithMeaning[] = {"true", "false", "yes",  "no",  "on", "off",
                                                    "y",    "n",     "null", "nan", "inf"};
  const std::string word = absl::AsciiStrToLower(AbslView(text));
  for (std::string_view meaning : kWordsWithMeaning) {
    if (word == meaning) return false;
  }
  return true;
}

}  // namespace

std::string StoreScalar(const YamlNode& node, const FieldDescriptor* field, int slot,
                        Message* message) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return StoreNumber<int32_t, &Reflection::SetInt32, &Reflection::SetRepeatedInt32,
                         &Reflection::AddInt32>(node, field, slot, message);
    case FieldDescriptor::CPPTYPE_INT64:
      return StoreNumber<int64_t, &Reflection::SetInt64, &Reflection::SetRepeatedInt64,
                         &Reflection::AddInt64>(node, field, slot, message);
    case FieldDescriptor::CPPTYPE_UINT32:
      return StoreNumber<uint32_t, &Reflection::SetUInt32, &Reflection::SetRepeatedUInt32,
                         &Reflection::AddUInt32>(node, field, slot, message);
    case FieldDescriptor::CPPTYPE_UINT64:
      return StoreNumber<uint64_t, &Reflection::SetUInt64, &Reflection::SetRepeatedUInt64,
                         &Reflection::AddUInt64>(node, field, slot, message);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return StoreNumber<float, &Reflection::SetFloat, &Reflection::SetRepeatedFloat,
                         &Reflection::AddFloat>(node, field, slot, message);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return StoreNumber<double, &Reflection::SetDouble, &Reflection::SetRepeatedDouble,
                         &Reflection::AddDouble>(node, field, slot, message);
    case FieldDescriptor::CPPTYPE_BOOL: {
      bool value = false;
      std::string wrong = ParseBool(node, &value);
      if (wrong.empty()) {
        Put<&Reflection::SetBool, &Reflection::SetRepeatedBool, &Reflection::AddBool>(
            field, slot, message, value);
      }
      return wrong;
    }
    case FieldDescriptor::CPPTYPE_STRING:
      if (node.kind != YamlNode::Kind::kScalar) return Expected("text", node);
      Put<&Reflection::SetString, &Reflection::SetRepeatedString, &Reflection::AddString>(
          field, slot, message, node.text);
      return "";
    case FieldDescriptor::CPPTYPE_ENUM:
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return StrCat("fields of type ", field->cpp_type_name(), " hold no scalar");
}

std::string ScalarToYaml(const Message& message, const FieldDescriptor* field, int slot) {
  const Reflection* r = message.GetReflection();
  const bool one = slot == kSingularSlot;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return StrCat(one ? r->GetInt32(message, field) : r->GetRepeatedInt32(message, field, slot));
    case FieldDescriptor::CPPTYPE_INT64:
      return StrCat(one ? r->GetInt64(message, field) : r->GetRepeatedInt64(message, field, slot));
    case FieldDescriptor::CPPTYPE_UINT32:
      return StrCat(one ? r->GetUInt32(message, field)
                        : r->GetRepeatedUInt32(message, field, slot));
    case FieldDescriptor::CPPTYPE_UINT64:
      return StrCat(one ? r->GetUInt64(message, field)
                        : r->GetRepeatedUInt64(message, field, slot));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return Shortest(one ? r->GetFloat(message, field)
                          : r->GetRepeatedFloat(message, field, slot));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return Shortest(one ? r->GetDouble(message, field)
                          : r->GetRepeatedDouble(message, field, slot));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (one ? r->GetBool(message, field) : r->GetRepeatedBool(message, field, slot))
                 ? "true"
                 : "false";
    case FieldDescriptor::CPPTYPE_STRING:
      return TextToYaml(one ? r->GetString(message, field)
                            : r->GetRepeatedString(message, field, slot));
    case FieldDescriptor::CPPTYPE_ENUM:
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return "~";
}

std::string ParseParameter(const YamlNode& node, double* value) {
  bool truth = false;
  if (ParseBool(node, &truth).empty()) {
    *value = truth ? 1 : 0;
    return "";
  }
  return ParseNumber(node, value);
}

std::string NumberToYaml(double value) { return Shortest(value); }

std::string TextToYaml(std::string_view text) {
  if (IsSafePlain(text)) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      constexpr char kHex[] = "0123456789abcdef";
      quoted += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace fluke
