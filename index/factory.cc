#include "index/factory.h"

#include <charconv>

#include "common/error.h"

namespace fluke {
namespace {

// What stands between the two, or nothing.
bool TakeMiddle(std::string_view text, std::string_view before, std::string_view after,
                std::string_view& middle) {
  if (!text.starts_with(before) || !text.ends_with(after) ||
      text.size() < before.size() + after.size()) {
    return false;
  }
  middle = text.substr(before.size(), text.size() - before.size() - after.size());
  return true;
}

}  // namespace

FactoryParts ParseFactory(std::string_view factory) {
  std::string_view number;
  if (TakeMiddle(factory, "IVF", ",Codes", number)) {
    FactoryParts parts{.base = std::string(factory), .codes = true};
    const char* end = number.data() + number.size();
    const auto read = std::from_chars(number.data(), end, parts.lists);
    if (!number.empty() && (read.ec != std::errc() || read.ptr != end || parts.lists < 1)) {
      InvalidArgument("index factory '", factory, "': '", number, "' is no number of lists");
    }
    return parts;
  }
  const size_t comma = factory.rfind(",R");
  if (comma != std::string_view::npos) {
    const std::string_view last = factory.substr(comma + 1);
    if (last == "RFlat" || (last.starts_with("Refine(") && last.ends_with(")"))) {
      return {.base = std::string(factory.substr(0, comma)), .refined = true};
    }
  }
  return {.base = std::string(factory)};
}

}  // namespace fluke
