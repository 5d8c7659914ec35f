// Where tensors live and in which precision the network runs.
#pragma once

#include <string>

#include "fluke/v1/config.pb.h"
#include "train/torch.h"

namespace fluke::train {

// auto, cpu or cuda. Throws FailedPrecondition when cuda is asked for and absent; auto falls back
// to the CPU.
at::Device OpenDevice(const std::string& name);

// One thread a core where `threads` is 0.
void SetThreads(int threads);

// Instructions of its own for bf16 (AVX512-BF16, which AMX machines have too; assumed of other
// architectures). Without them bf16 is emulated: on an AVX2 machine it took some twenty times as
// long as fp32; AVX-512 without BF16 was not measured.
bool CpuHasBf16();

// `precision`, but fp32 instead of bf16 on a CPU that has no instructions for it.
std::string PrecisionOn(const std::string& precision, at::DeviceType device,
                        bool cpu_has_bf16 = CpuHasBf16());
// For the log, where it is not what was asked for.
inline constexpr char kFp32Instead[] =
    "this CPU has no instructions for bf16: the network runs in fp32";

// Runs what is in its scope in bf16 where `precision` is "bf16"; nothing for "fp32". Throws
// InvalidArgument otherwise.
class AutocastScope {
 public:
  AutocastScope(const std::string& precision, at::DeviceType device);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  at::DeviceType device_;
  bool enabled_ = false;
};

// Makes every 4-d parameter of `module` channels-last (N x H x W x C in memory).
void MakeChannelsLast(torch::nn::Module& module);

}  // namespace fluke::train
