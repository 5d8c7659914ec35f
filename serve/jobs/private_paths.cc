#include "serve/jobs/private_paths.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/strings/ascii.h"

namespace fluke::serve {
namespace {

// Characters that stand in no path, as messages write them.
bool EndsPath(char c) {
  return absl::ascii_isspace(static_cast<unsigned char>(c)) ||
         std::string_view("\"'`<>|;,:()[]{}").find(c) != std::string_view::npos;
}

bool IsOfWord(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '/' || c == '.' || c == '_' ||
         c == '-';
}

void MakeRelative(std::string* text, const std::string& root) {
  if (root.empty()) return;
  for (size_t at = text->find(root); at != std::string::npos; at = text->find(root, at)) {
    const size_t end = at + root.size();
    if (end < text->size() && (*text)[end] == '/') {
      text->erase(at, root.size() + 1);
    } else if (end == text->size() || EndsPath((*text)[end])) {
      text->replace(at, root.size(), ".");
    } else {
      at = end;  // "/srv/data2" is not below "/srv/data"
    }
  }
}

// The length of the UTF-8 character that `text` begins with; 0: it begins with none.
size_t CharacterLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  size_t length = 0;
  uint32_t code = 0, smallest = 0;
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) {
    length = 2, code = first & 0x1f, smallest = 0x80;
  } else if (first >= 0xe0 && first < 0xf0) {
    length = 3, code = first & 0x0f, smallest = 0x800;
  } else if (first >= 0xf0 && first < 0xf5) {
    length = 4, code = first & 0x07, smallest = 0x10000;
  }
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  const bool is_surrogate = code >= 0xd800 && code < 0xe000;
  return code < smallest || code > 0x10ffff || is_surrogate ? 0 : length;
}

}  // namespace

std::string WithoutPaths(std::string_view text, std::span<const std::string> roots) {
  std::vector<std::string> longest_first(roots.begin(), roots.end());
  std::ranges::sort(longest_first, std::greater<>(), [](const auto& root) { return root.size(); });
  std::string relative(text);
  for (const std::string& root : longest_first) MakeRelative(&relative, root);
  std::string result;
  for (size_t i = 0; i < relative.size();) {
    const bool begins_path = relative[i] == '/' && (i == 0 || !IsOfWord(relative[i - 1])) &&
                             i + 1 < relative.size() && !EndsPath(relative[i + 1]);
    if (!begins_path) {
      result += relative[i++];
      continue;
    }
    size_t end = i;
    while (end < relative.size() && !EndsPath(relative[end])) ++end;
    const std::string_view path = std::string_view(relative).substr(i, end - i);
    result += "...";
    result += path.substr(path.rfind('/'));
    i = end;
  }
  return result;
}

std::string AsPlainText(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const size_t length = CharacterLength(bytes);
    const bool is_control = length == 1 &&
                            absl::ascii_iscntrl(static_cast<unsigned char>(bytes[0])) &&
                            bytes[0] != '\n' && bytes[0] != '\t';
    if (length == 0 || is_control) {
      text += '?';
      bytes.remove_prefix(1);
      continue;
    }
    text += bytes.substr(0, length);
    bytes.remove_prefix(length);
  }
  return text;
}

}  // namespace fluke::serve
