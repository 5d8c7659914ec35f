// A folder for one test's files, and the one way tests look at a thrown Error.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include "common/error.h"

namespace fluke {

// Empty at the test's start, removed at its end; no other test or process has the same.
class Scratch {
 public:
  Scratch() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) /
              StrCat("fluke_", getpid(), "_", test->test_suite_name(), "_", test->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path operator/(std::string_view name) const { return folder_ / name; }

 private:
  std::filesystem::path folder_;
};

// The Error that `action` throws; {kOk, ""} and a failure when it throws none.
template <typename Action>
Error ErrorOf(Action&& action) {
  try {
    std::forward<Action>(action)();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "expected fluke::Error, nothing was thrown";
  return Error(absl::StatusCode::kOk, "");
}

}  // namespace fluke
