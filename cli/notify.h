// Tells systemd how a service of `Type=notify` is doing.
#pragma once

#include <string_view>

namespace fluke::cli {

// One message of sd_notify(3), e.g. "READY=1" or "STOPPING=1", to the socket that $NOTIFY_SOCKET
// names; nothing without one. A socket that cannot be written to is a warning: the server can do
// without.
void NotifyServiceManager(std::string_view state);

}  // namespace fluke::cli
