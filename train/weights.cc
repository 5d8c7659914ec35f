#include "train/weights.h"

#include <sstream>

#include "absl/strings/str_join.h"
#include "common/error.h"
#include "train/run_folder.h"

namespace fluke::train {
namespace {

constexpr size_t kMostWrongNamed = 5;

std::string ShapeOf(const at::Tensor& tensor) {
  return tensor.dim() == 0 ? "scalar" : absl::StrJoin(tensor.sizes(), " x ");
}

}  // namespace

NamedTensors WeightsOf(const torch::nn::Module& module, const std::string& prefix) {
  NamedTensors weights;
  for (const auto& item : module.named_parameters())
    weights.emplace(prefix + item.key(), item.value());
  for (const auto& item : module.named_buffers())
    weights.emplace(prefix + item.key(), item.value());
  return weights;
}

void LoadWeights(torch::nn::Module& module, const NamedTensors& weights, const std::string& prefix,
                 const std::string& origin) {
  const at::NoGradGuard no_grad;
  std::vector<std::string> wrong;
  NamedTensors own = WeightsOf(module, prefix);
  for (auto& [name, target] : own) {
    const auto found = weights.find(name);
    if (found == weights.end()) {
      wrong.push_back(name + ": missing");
    } else if (found->second.sizes() != target.sizes()) {
      wrong.push_back(
          StrCat(name, ": ", ShapeOf(found->second), " there, ", ShapeOf(target), " expected"));
    }
  }
  if (!wrong.empty()) {
    const size_t count = wrong.size();
    if (count > kMostWrongNamed) wrong.resize(kMostWrongNamed);
    Throw(absl::StatusCode::kFailedPrecondition, origin, ": weights of another architecture; ",
          count, " do not fit: ", absl::StrJoin(wrong, "; "),
          count > kMostWrongNamed ? "; ..." : "");
  }
  for (auto& [name, target] : own) target.copy_(weights.at(name));
}

TransferReport TransferWeights(torch::nn::Module& module, const NamedTensors& weights,
                               const std::string& origin) {
  const at::NoGradGuard no_grad;
  TransferReport report;
  NamedTensors own = WeightsOf(module);
  for (auto& [name, target] : own) {
    const auto found = weights.find(name);
    if (found == weights.end()) {
      report.skipped.push_back(name + ": not in " + origin);
    } else if (found->second.sizes() != target.sizes()) {
      report.skipped.push_back(
          StrCat(name, ": ", ShapeOf(found->second), " there, ", ShapeOf(target), " here"));
    } else {
      target.copy_(found->second);
      ++report.loaded;
    }
  }
  if (report.loaded == 0) {
    Throw(absl::StatusCode::kFailedPrecondition, origin, ": no weight fits this architecture");
  }
  return report;
}

NamedTensors ReadWeights(const std::filesystem::path& path) {
  const bool is_run = std::filesystem::is_directory(path);
  return ReadSafetensors(is_run ? RunFolder{path}.model() : path).tensors;
}

}  // namespace fluke::train
