// What a log looks like to the programs that read it.
#include "common/log_format.h"

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/common/scratch.h"

namespace fluke {
namespace {

class LogFormat : public ::testing::Test {
 protected:
  LogFormat() {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
  }
  ~LogFormat() override { spdlog::set_default_logger(before_); }

  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  std::ostringstream text_;
};

TEST_F(LogFormat, EachLineIsAJsonDocumentWhateverItSays) {
  LogAsJson();
  const std::string nasty = "a \"quoted\"\nline of \xff bytes";
  spdlog::warn("{}", nasty);
  spdlog::info("second");
  std::istringstream lines(text_.str());
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  const auto first = nlohmann::json::parse(line);
  EXPECT_EQ(first["level"], "warning");
  EXPECT_THAT(first["message"].get<std::string>(), testing::StartsWith("a \"quoted\"\nline of "));
  EXPECT_THAT(first["time"].get<std::string>(),
              testing::MatchesRegex("....-..-..T..:..:..\\....Z"));
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(nlohmann::json::parse(line)["message"], "second");
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(LogFormat, ALevelHidesWhatIsBelowIt) {
  SetLogLevel("warning");
  spdlog::info("hidden");
  spdlog::warn("shown");
  EXPECT_THAT(text_.str(), testing::HasSubstr("shown"));
  EXPECT_THAT(text_.str(), testing::Not(testing::HasSubstr("hidden")));
  EXPECT_THAT(ErrorOf([] { SetLogLevel("debgu"); }).what(),
              testing::HasSubstr("did you mean 'debug'"));
  SetLogLevel("info");
}

}  // namespace
}  // namespace fluke
