#include "train/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace fluke::train {
namespace {

double Constant(const ScheduleContext& context, int64_t) { return context.lr; }

// Linear from lr / warmup_steps up to lr, then half a cosine down to final_lr at the last step.
double WarmupCosine(const ScheduleContext& context, int64_t step) {
  if (step < context.warmup_steps) {
    return context.lr * static_cast<double>(step + 1) / static_cast<double>(context.warmup_steps);
  }
  const auto span =
      static_cast<double>(std::max<int64_t>(1, context.total_steps - 1 - context.warmup_steps));
  const double progress = std::min(1.0, static_cast<double>(step - context.warmup_steps) / span);
  return context.final_lr +
         (context.lr - context.final_lr) * (1 + std::cos(std::numbers::pi * progress)) / 2;
}

constexpr ScheduleRow kSchedules[] = {
    {"constant", Constant, "the same learning rate throughout"},
    {"warmup_cosine", WarmupCosine,
     "linear warm-up, then half a cosine down to final_lr (the whale recipe)"},
};

}  // namespace

std::span<const ScheduleRow> Schedules() { return kSchedules; }

}  // namespace fluke::train
