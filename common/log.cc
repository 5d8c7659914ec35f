#include "common/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string_view>

namespace fluke {

bool StderrIsTerminal() {
  const char* terminal = std::getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

bool StderrHasColour() {
  const char* no_colour = std::getenv("NO_COLOR");
  return StderrIsTerminal() && (no_colour == nullptr || *no_colour == '\0');
}

void LogToStderr() {
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(
      StderrHasColour() ? spdlog::color_mode::always : spdlog::color_mode::never);
  auto logger = std::make_shared<spdlog::logger>("fluke", std::move(sink));
  // On a terminal a line may begin where a progress bar stands: go to its first column and clear
  // it.
  logger->set_pattern(StderrIsTerminal() ? "\r\x1b[K%H:%M:%S %^%l%$ %v" : "%H:%M:%S %l %v");
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

void LogInfo(const std::string& line) { spdlog::info("{}", line); }

void LogWarning(const std::string& line) { spdlog::warn("{}", line); }

}  // namespace fluke
