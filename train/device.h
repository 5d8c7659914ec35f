// Where tensors live and in which precision the network runs.
#pragma once

#include <string>

#include "fluke/v1/config.pb.h"
#include "train/torch.h"

namespace fluke::train {

// auto, cpu or cuda. Throws FailedPrecondition when cuda is asked for and absent; auto falls back
// to the CPU.
at::Device OpenDevice(const std::string& name);

// One thread a core where `threads` is 0; also keeps freed memory in the process, which training
// reuses every step.
void PrepareThreadsAndMemory(int threads);

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
