// How much the log says, and in which form; for programs that others watch over.
#pragma once

#include <string_view>

namespace fluke {

// From then on each line of the log is a JSON document {"time", "level", "message"}; the time is
// UTC, as RFC 3339 writes it. Called before other threads log.
void LogAsJson();

// "error", "warning", "info" or "debug". Throws InvalidArgument for another.
void SetLogLevel(std::string_view level);

}  // namespace fluke
