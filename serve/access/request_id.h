// Names of single calls, by which a client's report finds the server's log lines.
#pragma once

#include <string>
#include <string_view>

namespace fluke::serve {

inline constexpr char kRequestIdHeader[] = "x-request-id";

// The caller's own where it is usable (printable ASCII, at most 128 bytes), else "".
std::string_view UsableRequestId(std::string_view request_id);

// 16 hex digits that no other call has.
std::string NewRequestId();

}  // namespace fluke::serve
