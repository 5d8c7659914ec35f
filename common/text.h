// Joining text. Debian 12 builds Abseil for C++14, where absl::string_view is a type of its own
// that std::string_view does not convert to; these take both, and paths.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/strings/str_cat.h"

namespace fluke {

inline absl::string_view AbslView(std::string_view text) { return {text.data(), text.size()}; }

namespace text_internal {

template <typename Part>
decltype(auto) ForAbsl(const Part& part) {
  if constexpr (std::is_same_v<Part, std::string_view>) {
    return AbslView(part);
  } else if constexpr (std::is_same_v<Part, std::filesystem::path>) {
    return part.string();
  } else if constexpr (std::is_same_v<Part, char>) {
    return std::string(1, part);  // absl::StrCat would print its code
  } else {
    return (part);
  }
}

}  // namespace text_internal

// "a", std::string, std::string_view, path, char, numbers, bool -> one string.
template <typename... Parts>
std::string StrCat(const Parts&... parts) {
  return absl::StrCat(text_internal::ForAbsl(parts)...);
}

// StrJoin({"a", "b"}, ", ") == "a, b"
template <typename Range>
std::string StrJoin(const Range& range, std::string_view separator) {
  std::string joined;
  bool first = true;
  for (const auto& part : range) {
    if (!first) joined += separator;
    first = false;
    joined += StrCat(part);
  }
  return joined;
}

}  // namespace fluke
