// What an HTTP request asks for, out of bytes that nobody vouches for.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace fluke::serve {

struct HttpTarget {
  std::string path;                          // decoded, begins with '/'
  std::map<std::string, std::string> query;  // decoded; of a name that stands twice the first value
};

// "/photo?id=a%20b". Nothing where it is not a path, or a percent escape is damaged, or a control
// character is in it.
std::optional<HttpTarget> ParseHttpTarget(std::string_view target);

// HOST:PORT or [IPv6]:PORT.
struct HostAndPort {
  std::string host;  // without brackets
  int port = 0;
};
std::optional<HostAndPort> ParseHostAndPort(std::string_view text);

// localhost, 127.x.y.z or ::1.
bool IsLoopback(std::string_view host);

// Does a `Host` header name this machine's loopback? A page of another origin whose name was made
// to resolve to 127.0.0.1 (DNS rebinding) sends its own name. Any port, so that a forwarded one
// does.
bool HostHeaderIsLoopback(std::string_view header);

}  // namespace fluke::serve
