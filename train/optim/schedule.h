// Learning-rate schedules: pure functions of the step.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "fluke/v1/config.pb.h"

namespace fluke::train {

struct ScheduleContext {
  double lr = 0;        // the optimizer's, reached after the warm-up
  double final_lr = 0;  // at the last step
  int64_t warmup_steps = 0;
  int64_t total_steps = 1;
};

struct ScheduleRow {
  std::string_view name;
  // step: 0-based optimizer step.
  double (*lr_at)(const ScheduleContext& context, int64_t step);
  std::string_view help;
};

std::span<const ScheduleRow> Schedules();

}  // namespace fluke::train
