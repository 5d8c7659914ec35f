// The files of serve/web/, which the build puts into the program (cmake/EmbedWebFiles.cmake).
#pragma once

#include <span>
#include <string_view>

namespace fluke::serve {

struct WebFile {
  std::string_view name;  // "app.js"
  std::string_view bytes;
  std::string_view etag;  // of its bytes, with the quotes
};

std::span<const WebFile> WebFiles();

}  // namespace fluke::serve
