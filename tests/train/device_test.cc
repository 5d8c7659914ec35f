#include "train/device.h"

#include <gtest/gtest.h>

namespace fluke::train {
namespace {

TEST(PrecisionOn, TakesFp32WhereACpuHasNoInstructionsForBf16) {
  EXPECT_EQ(PrecisionOn("bf16", at::kCPU, /*cpu_has_bf16=*/false), "fp32");
  EXPECT_EQ(PrecisionOn("bf16", at::kCPU, /*cpu_has_bf16=*/true), "bf16");
  EXPECT_EQ(PrecisionOn("bf16", at::kCUDA, /*cpu_has_bf16=*/false), "bf16");
  EXPECT_EQ(PrecisionOn("fp32", at::kCPU, /*cpu_has_bf16=*/true), "fp32");
}

TEST(AutocastScope, RefusesAPrecisionThatIsNone) {
  EXPECT_ANY_THROW(AutocastScope(PrecisionOn("fp8", at::kCPU), at::kCPU));
}

}  // namespace
}  // namespace fluke::train
