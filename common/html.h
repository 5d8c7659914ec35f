// Text within HTML and SVG.
#pragma once

#include <string>
#include <string_view>

namespace fluke {

// As element text or between quotes of either kind.
std::string EscapeHtml(std::string_view text);

}  // namespace fluke
