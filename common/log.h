// Where logs and progress go: stderr, so that stdout holds results alone. Logging itself is
// spdlog's.
#pragma once

#include <string>

namespace fluke {

// True when stderr is a terminal that understands escape sequences (TERM is set and not "dumb").
bool StderrIsTerminal();

// The above, and NO_COLOR (https://no-color.org) is not set.
bool StderrHasColour();

// Makes spdlog's default logger write "HH:MM:SS level text" to stderr. Called once, by main.
void LogToStderr();

// One line at the level info or warning. For train/, where Torch's headers bring another fmt than
// spdlog's.
void LogInfo(const std::string& line);
void LogWarning(const std::string& line);

}  // namespace fluke
