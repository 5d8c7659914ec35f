#include "train/device.h"

#include <thread>

#include <ATen/autocast_mode.h>
#include <torch/cuda.h>

#include "common/error.h"

namespace fluke::train {

at::Device OpenDevice(const std::string& name) {
  if (name == "cpu") return at::kCPU;
  if (name != "auto" && name != "cuda") {
    InvalidArgument("unknown device '", name, "'; known: auto, cpu, cuda");
  }
  if (torch::cuda::is_available()) return at::kCUDA;
  if (name == "cuda") {
    Throw(absl::StatusCode::kFailedPrecondition,
          "device cuda: no CUDA device, or fluke was built without -DFLUKE_CUDA=ON");
  }
  return at::kCPU;
}

void SetThreads(int threads) {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  at::set_num_threads(threads > 0 ? threads : cores);
}

bool CpuHasBf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return true;
#endif
}

std::string PrecisionOn(const std::string& precision, at::DeviceType device, bool cpu_has_bf16) {
  return precision == "bf16" && device == at::kCPU && !cpu_has_bf16 ? "fp32" : precision;
}

AutocastScope::AutocastScope(const std::string& precision, at::DeviceType device)
    : device_(device) {
  if (precision != "fp32" && precision != "bf16") {
    InvalidArgument("unknown precision '", precision, "'; known: fp32, bf16");
  }
  if (precision == "fp32" || at::autocast::is_autocast_enabled(device_)) return;
  enabled_ = true;
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::set_autocast_dtype(device_, at::kBFloat16);
  at::autocast::increment_nesting();
}

AutocastScope::~AutocastScope() {
  if (!enabled_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, false);
}

void MakeChannelsLast(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  for (at::Tensor& param : module.parameters()) {
    if (param.dim() == 4) param.set_data(param.contiguous(at::MemoryFormat::ChannelsLast));
  }
}

}  // namespace fluke::train
