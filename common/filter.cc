#include "common/filter.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <system_error>

namespace fluke {
namespace {

// "" where the item lacks it.
std::string_view FieldOf(const Item& item, const std::string& field) {
  if (field == "id") return item.id;
  if (field == "identity") return item.identity;
  if (field == "path") return item.path;
  const auto found = item.metadata.find(field);
  return found == item.metadata.end() ? std::string_view() : found->second;
}

// Does `holds` between the field's text and the value, each as what the value is?
template <typename Relation>
bool Compare(std::string_view text, const Filter::Value& value, const Relation& holds) {
  if (text.empty()) return false;
  if (const auto* wanted = std::get_if<std::string>(&value)) {
    return holds(text, std::string_view(*wanted));
  }
  const std::optional<double> number = NumberIn(text);
  return number && holds(*number, std::get<double>(value));
}

}  // namespace

bool Matches(const Filter& filter, const Item& item) {
  const auto matches = [&](const Filter& child) { return Matches(child, item); };
  const auto compare = [&](const auto& relation) {
    return Compare(FieldOf(item, filter.field), filter.values.front(), relation);
  };
  switch (filter.kind) {
    case Filter::Kind::kAnd:
      return std::all_of(filter.children.begin(), filter.children.end(), matches);
    case Filter::Kind::kOr:
      return std::any_of(filter.children.begin(), filter.children.end(), matches);
    case Filter::Kind::kNot:
      return !Matches(filter.children.front(), item);
    case Filter::Kind::kExists:
      return !FieldOf(item, filter.field).empty();
    case Filter::Kind::kEqual:
      return compare(std::equal_to<>());
    case Filter::Kind::kLess:
      return compare(std::less<>());
    case Filter::Kind::kLessEqual:
      return compare(std::less_equal<>());
    case Filter::Kind::kGreater:
      return compare(std::greater<>());
    case Filter::Kind::kGreaterEqual:
      return compare(std::greater_equal<>());
    case Filter::Kind::kIn:
      return std::any_of(filter.values.begin(), filter.values.end(),
                         [&](const Filter::Value& value) {
                           return Compare(FieldOf(item, filter.field), value, std::equal_to<>());
                         });
  }
  return false;
}

std::optional<double> NumberIn(std::string_view text) {
  // std::from_chars takes no plus sign, but nan and inf.
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return {};
  }
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || !std::isfinite(number)) return {};
  return number;
}

}  // namespace fluke
