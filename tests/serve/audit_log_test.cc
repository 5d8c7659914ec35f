// The file that says who changed what.
#include "serve/access/audit_log.h"

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/common/scratch.h"
#include "tests/serve/logged_lines.h"

namespace fluke::serve {
namespace {

using ::testing::HasSubstr;

// 2001-09-09T01:46:40Z is the billionth second (`date -u -d @1000000000`).
constexpr std::chrono::system_clock::time_point kBillionth{
    std::chrono::milliseconds(1'000'000'000'123)};

std::vector<nlohmann::json> LinesOf(const std::string& path) {
  std::ifstream file(path);
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

TEST(AuditLog, IsAJsonLineACall) {
  const Scratch folder;
  {
    AuditLog log((folder / "audit.jsonl").string(), [] { return kBillionth; });
    log.Write({.request_id = "r1",
               .caller = "curator",
               .method = "Retrieval/Upsert",
               .collection = "north"});
    log.Write({.request_id = "r2",
               .caller = "curator",
               .method = "Retrieval/Delete",
               .collection = "",
               .code = absl::StatusCode::kPermissionDenied});
  }
  const auto lines = LinesOf((folder / "audit.jsonl").string());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], (nlohmann::json{{"time", "2001-09-09T01:46:40.123Z"},
                                      {"request", "r1"},
                                      {"caller", "curator"},
                                      {"method", "Retrieval/Upsert"},
                                      {"collection", "north"},
                                      {"code", "OK"}}));
  EXPECT_EQ(lines[1]["code"], "PERMISSION_DENIED");
}

TEST(AuditLog, WhateverACallerCallsItselfStaysOnItsLine) {
  const Scratch folder;
  const std::string nasty = "a\"\n{\"code\":\"OK\"}\xff";
  AuditLog log((folder / "audit.jsonl").string());
  log.Write(
      {.request_id = nasty, .caller = nasty, .method = "Retrieval/Update", .collection = nasty});
  const auto lines = LinesOf((folder / "audit.jsonl").string());
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0]["request"].get<std::string>(), HasSubstr("a\"\n{"));
}

TEST(AuditLog, GoesOnBehindWhatWasThereAndAfterTheFileWasCut) {
  const Scratch folder;
  const std::string path = (folder / "audit.jsonl").string();
  std::ofstream(path) << "{\"time\":\"before\"}\n";
  AuditLog log(path);
  log.Write({.request_id = "r1", .caller = "a", .method = "m", .collection = ""});
  EXPECT_EQ(LinesOf(path).size(), 2u);
  std::filesystem::resize_file(path, 0);
  log.Write({.request_id = "r2", .caller = "a", .method = "m", .collection = ""});
  const auto lines = LinesOf(path);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["request"], "r2");
}

TEST(AuditLog, LinesOfManyThreadsStayWhole) {
  const Scratch folder;
  const std::string path = (folder / "audit.jsonl").string();
  AuditLog log(path);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        log.Write({.request_id = "r", .caller = "a", .method = "m", .collection = ""});
      }
    });
  }
  threads.clear();
  EXPECT_EQ(LinesOf(path).size(), 2000u);
}

TEST(AuditLog, AFileThatCannotBeOpenedIsAnErrorThatNamesIt) {
  const Scratch folder;
  for (const std::string& path :
       {(folder / "no_such_folder/audit.jsonl").string(), folder.folder().string()}) {
    const Error error = ErrorOf([&] { AuditLog log(path); });
    EXPECT_THAT(error.what(), HasSubstr("audit log " + path));
  }
}

TEST(AuditLog, LinesThatAreLostAreToldOnceAMinute) {
  LoggedLines told;
  auto now = kBillionth;
  {
    AuditLog log("/dev/full", [&] { return now; });  // every write says: no space left on device
    const auto write = [&] {
      log.Write({.request_id = "r", .caller = "a", .method = "m", .collection = ""});
    };
    write();
    EXPECT_THAT(told.Take(), HasSubstr("audit log /dev/full: No space left on device; 1 lines"));
    for (int i = 0; i < 6; ++i) {
      now += std::chrono::seconds(9);
      write();
    }
    EXPECT_EQ(told.Take(), "");
    now += std::chrono::seconds(9);  // 63 s
    write();
    EXPECT_THAT(told.Take(), HasSubstr("7 lines"));
  }
}

}  // namespace
}  // namespace fluke::serve
