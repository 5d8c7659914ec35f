#include "common/log_format.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "common/table.h"
#include "common/text.h"

namespace fluke {
namespace {

class JsonLines final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    time_.format(message, line);
    const auto text = [](spdlog::string_view_t view) {
      return nlohmann::json(std::string(view.data(), view.size()))
          .dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
    };
    const std::string rest =
        StrCat(",\"level\":", text(spdlog::level::to_string_view(message.level)),
               ",\"message\":", text(message.payload), "}\n");
    line.append(rest.data(), rest.data() + rest.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonLines>();
  }

 private:
  spdlog::pattern_formatter time_{"{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\"",
                                  spdlog::pattern_time_type::utc, ""};
};

struct Level {
  std::string_view name;
  spdlog::level::level_enum level;
  std::string_view help;
};
constexpr Level kLevels[] = {{"error", spdlog::level::err, "what failed"},
                             {"warning", spdlog::level::warn, "and what may go wrong"},
                             {"info", spdlog::level::info, "and what is done"},
                             {"debug", spdlog::level::debug, "and each call"}};

}  // namespace

void LogAsJson() { spdlog::set_formatter(std::make_unique<JsonLines>()); }

void SetLogLevel(std::string_view level) {
  spdlog::set_level(Find(kLevels, "log level", level).level);
}

}  // namespace fluke
