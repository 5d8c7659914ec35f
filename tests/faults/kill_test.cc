// A process is killed, or the power fails, at each operation on a file: afterwards the index opens,
// everything acknowledged is there, and nothing else is.
#include <set>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "tests/faults/child.h"
#include "tests/faults/fault_layer.h"
#include "tests/faults/inspection.h"
#include "tests/faults/scenarios.h"
#include "tests/faults/stage.h"

namespace fluke::faults {
namespace {

struct Death {
  const char* name;
  Fault fault;
};
std::ostream& operator<<(std::ostream& out, const Death& death) { return out << death.name; }

constexpr Death kDeaths[] = {{"BeforeAnOperation", Fault::kBefore},
                             {"InAWrite", Fault::kIn},
                             {"AfterAnOperation", Fault::kAfter},
                             {"AndThePowerFails", Fault::kLost},
                             {"AndThePowerFailsWithContentsUnwritten", Fault::kLostData},
                             {"AndThePowerFailsWithContentsTorn", Fault::kTorn}};

class AKilledWriter : public ::testing::TestWithParam<std::tuple<Scenario, Death>> {};

TEST_P(AKilledWriter, LosesNothingAcknowledgedAndLeavesNothingElse) {
  const auto& [scenario, death] = GetParam();
  const Stage stage(scenario);
  const auto operations = stage.CountOperations();
  std::set<size_t> acknowledgements;
  for (const int64_t at : OperationsToStopAt(operations, death.fault)) {
    const Operation& operation = operations[static_cast<size_t>(at) - 1];
    SCOPED_TRACE("operation " + std::to_string(at) + ", " + operation.name + operation.path);
    stage.Reset();
    const ChildOutcome run = InChild([&, &death = death, &scenario = scenario](const Say& say) {
      BeginFaults({.folder = stage.watched(), .fault = death.fault, .at = at});
      Performance performance(stage.index(), scenario.options);
      for (const Step& step : scenario.steps) {
        performance.Do(step);
        say("+");
      }
      performance.Finish();
      ReachTheEnd();
    });
    ASSERT_TRUE(run.killed() || (run.well() && !scenario.repeats())) << run.said;
    const size_t acknowledged = run.said.size();
    acknowledgements.insert(acknowledged);
    const ChildOutcome check = InChild([&, &scenario = scenario](const Say& say) {
      Contents found;
      say(ObjectionToState(stage.index(), scenario, acknowledged, &found));
      say(ObjectionToGoingOn(stage.index(), scenario, found));
    });
    ASSERT_TRUE(check.well()) << acknowledged << " steps acknowledged: " << check.said;
    ASSERT_EQ(check.said, "") << acknowledged << " steps acknowledged";
  }
  EXPECT_GE(acknowledgements.size(), 2u) << "all died in the same step";
}

INSTANTIATE_TEST_SUITE_P(, AKilledWriter,
                         ::testing::Combine(::testing::ValuesIn(Scenarios()),
                                            ::testing::ValuesIn(kDeaths)),
                         [](const auto& test) {
                           return std::get<0>(test.param).name + std::get<1>(test.param).name;
                         });

}  // namespace
}  // namespace fluke::faults
