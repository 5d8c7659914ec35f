// What clients may not see of a text: where things lie on this machine.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace fluke::serve {

// `text` with paths below one of `roots` (absolute, without a slash at the end) made relative to
// it, and of every other absolute path the last name alone: "/srv/x/photos.csv:3" ->
// ".../photos.csv:3".
std::string WithoutPaths(std::string_view text, std::span<const std::string> roots);

// Bytes that are no UTF-8, and control characters but for new lines and tabs, become '?': protobuf
// takes nothing else as a string, and a terminal obeys no escape sequence.
std::string AsPlainText(std::string_view bytes);

}  // namespace fluke::serve
