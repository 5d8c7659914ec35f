// Which parameters made a difference.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "common/tune/samplers.h"

namespace fluke {

struct ParameterImportance {
  std::string name;
  double share = 0;  // 0..1
};

// The share of the results' variance that lies between the values of a choice, or between the
// quarters of a number's values: omega squared (Hays: Statistics for Psychologists, 1963), which is
// 0 on average where there is no effect, cut off at 0. Of trials that ran to their end; main
// effects alone: what two parameters do together is seen in neither. The most important first.
std::vector<ParameterImportance> Importance(std::span<const Parameter> space,
                                            std::span<const TrialResult> results);

}  // namespace fluke
