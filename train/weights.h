// A network's weights by name: collecting, restoring, and taking over what fits from another run or
// from torchvision.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "train/safetensors.h"
#include "train/torch.h"

namespace fluke::train {

// Parameters and buffers under "<prefix><name>"; the tensors share memory with the module.
NamedTensors WeightsOf(const torch::nn::Module& module, const std::string& prefix = "");

// Copies every weight of `module` out of `weights`. Throws FailedPrecondition naming `origin` and
// the first weights that are missing or of another shape: a checkpoint of another architecture.
void LoadWeights(torch::nn::Module& module, const NamedTensors& weights, const std::string& prefix,
                 const std::string& origin);

// What staged transfer took over and what it left.
struct TransferReport {
  int64_t loaded = 0;
  std::vector<std::string> skipped;  // "head.linear.weight: 256 x 512 there, 128 x 512 here"
};

// Copies the weights whose names and shapes fit. Throws FailedPrecondition when none does.
TransferReport TransferWeights(torch::nn::Module& module, const NamedTensors& weights,
                               const std::string& origin);

// `path`: a run folder (its model.safetensors) or a .safetensors file.
NamedTensors ReadWeights(const std::filesystem::path& path);

}  // namespace fluke::train
