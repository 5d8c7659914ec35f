// The disk is full, read-only or failing: changes end in an error that names the path, searches go
// on, and when the fault is over the change that failed can be completed.
#include <errno.h>

#include <memory>
#include <set>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "common/error.h"
#include "index/reader.h"
#include "tests/faults/child.h"
#include "tests/faults/fault_layer.h"
#include "tests/faults/inspection.h"
#include "tests/faults/scenarios.h"
#include "tests/faults/stage.h"

namespace fluke::faults {
namespace {

struct Failure {
  const char* name;
  Fault fault;
  int error;
  absl::StatusCode code;  // kOk: there is no error
  bool can_remove;        // so that nothing need be left over
};
constexpr Failure kFailures[] = {
    {"FullDisk", Fault::kError, ENOSPC, absl::StatusCode::kResourceExhausted, true},
    {"ReadOnlyDisk", Fault::kError, EROFS, absl::StatusCode::kPermissionDenied, false},
    {"ReadOnlyFolder", Fault::kError, EACCES, absl::StatusCode::kPermissionDenied, false},
    {"DeadDisk", Fault::kError, EIO, absl::StatusCode::kUnknown, false},
    {"OneFailure", Fault::kErrorOnce, EIO, absl::StatusCode::kUnknown, true},
    {"ShortWrite", Fault::kShortWrite, 0, absl::StatusCode::kOk, true},
};
std::ostream& operator<<(std::ostream& out, const Failure& failure) { return out << failure.name; }

class AFailingWriter : public ::testing::TestWithParam<std::tuple<Scenario, Failure>> {};

// What is wrong with an error that a step ended in.
std::string ObjectionTo(const Error& error, const Failure& failure, const Stage& stage) {
  if (error.code() != failure.code) return StrCat("another code than expected: ", error.what());
  if (std::string(error.what()).find(stage.watched()) == std::string::npos) {
    return StrCat("no path in: ", error.what());
  }
  return "";
}

// What is wrong, while the fault lasts, with the folder, with an index that was opened before and
// with one that takes changes.
std::string ObjectionMeanwhile(const Stage& stage, const Scenario& scenario, size_t acknowledged,
                               const VectorIndex* opened, const VectorIndex* live) {
  if (opened != nullptr) {
    const std::string difference = Difference(*opened, ContentsAfter(scenario, 0));
    if (!difference.empty()) return "the open index: " + difference;
  }
  if (live != nullptr) {
    const std::string difference = Difference(*live, ContentsAfter(scenario, acknowledged));
    if (!difference.empty()) return "the live index: " + difference;
  }
  return ObjectionToState(stage.index(), scenario, acknowledged, nullptr);
}

// Does again what failed. A live index may have to be opened again, which its error says.
void Complete(Performance& performance, const Step& step) {
  try {
    performance.Do(step);
  } catch (const Error& error) {
    if (error.code() != absl::StatusCode::kFailedPrecondition) throw;
    performance.Do(step);
  }
}

// Says what is wrong, and "+" for the error that was expected.
void PerformWithFailure(const Stage& stage, const Scenario& scenario, const Failure& failure,
                        int64_t at, const Say& say) {
  std::unique_ptr<VectorIndex> opened;
  if (!scenario.before.empty()) opened = OpenIndex(stage.index());
  BeginFaults(
      {.folder = stage.watched(), .fault = failure.fault, .at = at, .error = failure.error});
  Performance performance(stage.index(), scenario.options);
  size_t acknowledged = 0;
  for (const Step& step : scenario.steps) {
    try {
      performance.Do(step);
    } catch (const Error& error) {
      say("+");
      say(ObjectionTo(error, failure, stage));
      say(ObjectionMeanwhile(stage, scenario, acknowledged, opened.get(),
                             performance.Live().get()));
      EndFaults();
      if (failure.can_remove) say(Leftover(stage.index()));
      Complete(performance, step);
    }
    ++acknowledged;
    say(ObjectionMeanwhile(stage, scenario, acknowledged, opened.get(), performance.Live().get()));
  }
  EndFaults();
}

TEST_P(AFailingWriter, SaysSoAndCompletesTheStepAfterwards) {
  const auto& [scenario, failure] = GetParam();
  if (!scenario.repeats()) return;  // whose error it would be is a matter of chance
  const Stage stage(scenario);
  const auto operations = stage.CountOperations();
  int64_t errors = 0;
  for (const int64_t at : OperationsToStopAt(operations, failure.fault)) {
    const Operation& operation = operations[static_cast<size_t>(at) - 1];
    SCOPED_TRACE("operation " + std::to_string(at) + ", " + operation.name + operation.path);
    stage.Reset();
    const ChildOutcome run = InChild([&, &scenario = scenario, &failure = failure](const Say& say) {
      PerformWithFailure(stage, scenario, failure, at, say);
    });
    ASSERT_TRUE(run.well()) << run.said << ", status " << run.status;
    if (run.said == "+" && failure.code != absl::StatusCode::kOk) {
      ++errors;
    } else {
      ASSERT_EQ(run.said, "");
    }
    const ChildOutcome check = InChild([&, &scenario = scenario](const Say& say) {
      Contents found;
      say(ObjectionToState(stage.index(), scenario, scenario.steps.size(), &found));
      say(ObjectionToGoingOn(stage.index(), scenario, found));
    });
    ASSERT_TRUE(check.well()) << check.said;
    ASSERT_EQ(check.said, "");
  }
  EXPECT_EQ(errors > 0, failure.code != absl::StatusCode::kOk);
}

INSTANTIATE_TEST_SUITE_P(, AFailingWriter,
                         ::testing::Combine(::testing::ValuesIn(Scenarios()),
                                            ::testing::ValuesIn(kFailures)),
                         [](const auto& test) {
                           return std::get<0>(test.param).name + std::get<1>(test.param).name;
                         });

}  // namespace
}  // namespace fluke::faults
