#include "train/optim/optimizer.h"

#include "common/table.h"

namespace fluke::train {
namespace {

// The tensors of a group that have a gradient, as the fused kernels want them.
struct Live {
  std::vector<at::Tensor> params, grads, momentum, second_moment, steps;
};

Live LiveTensors(const Optimizer::Group& group) {
  Live live;
  for (size_t i = 0; i < group.params.size(); ++i) {
    const at::Tensor& param = group.params[i].second;
    if (!param.grad().defined()) continue;
    live.params.push_back(param);
    live.grads.push_back(param.grad());
    live.momentum.push_back(group.momentum[i]);
    live.steps.push_back(group.steps[i]);
    if (!group.second_moment.empty()) live.second_moment.push_back(group.second_moment[i]);
  }
  return live;
}

using FusedAdam = void (*)(at::TensorList, at::TensorList, at::TensorList, at::TensorList,
                           at::TensorList, at::TensorList, double, double, double, double, double,
                           bool, bool, const std::optional<at::Tensor>&,
                           const std::optional<at::Tensor>&);

// Kingma & Ba 2014. at::_fused_adam_ adds the weight decay to the gradient (L2), as
// torch.optim.Adam does; at::_fused_adamw_ shrinks the weights themselves (Loshchilov & Hutter
// 2017).
template <FusedAdam fused>
void AdamStep(Optimizer& optimizer, size_t group, double lr) {
  Live live = LiveTensors(optimizer.group(group));
  if (live.params.empty()) return;
  const auto& config = optimizer.config();
  at::_foreach_add_(live.steps, 1);
  fused(live.params, live.grads, live.momentum, live.second_moment, {}, live.steps, lr,
        config.beta1(), config.beta2(), config.weight_decay(), config.eps(),
        /*amsgrad=*/false, /*maximize=*/false, {}, {});
}

void SgdStep(Optimizer& optimizer, size_t group, double lr) {
  Live live = LiveTensors(optimizer.group(group));
  if (live.params.empty()) return;
  const auto& config = optimizer.config();
  const bool nesterov = config.momentum() > 0;
  // The momentum buffers start at zero, where torch.optim.SGD starts them at the first gradient:
  // the same with dampening 0.
  at::_fused_sgd_(live.params, live.grads, live.momentum, config.weight_decay(), config.momentum(),
                  lr,
                  /*dampening=*/0.0, nesterov, /*maximize=*/false, /*is_first_step=*/false);
}

constexpr OptimizerRow kOptimizers[] = {
    {"adam", AdamStep<at::_fused_adam_>, true, "Adam with L2 weight decay (Kingma & Ba 2014)"},
    {"adamw", AdamStep<at::_fused_adamw_>, true,
     "Adam with decoupled weight decay (Loshchilov & Hutter 2017)"},
    {"sgd", SgdStep, false, "SGD with Nesterov momentum"},
};

void LoadInto(at::Tensor& target, const NamedTensors& state, const std::string& name) {
  const auto found = state.find(name);
  if (found == state.end()) DataLoss("the checkpoint lacks the optimizer state ", name);
  if (found->second.sizes() != target.sizes())
    DataLoss("the optimizer state ", name, " has another shape");
  target.copy_(found->second);
}

}  // namespace

std::span<const OptimizerRow> Optimizers() { return kOptimizers; }

Optimizer::Optimizer(const fluke::v1::Optimizer& config, std::vector<Group> groups)
    : config_(config),
      row_(&Find(Optimizers(), "optimizer", config.name())),
      groups_(std::move(groups)) {
  for (Group& group : groups_) {
    for (const auto& [name, param] : group.params) {
      group.momentum.push_back(at::zeros_like(param, at::MemoryFormat::Preserve));
      if (row_->second_moment)
        group.second_moment.push_back(at::zeros_like(param, at::MemoryFormat::Preserve));
      group.steps.push_back(
          at::zeros({}, at::TensorOptions().dtype(at::kFloat).device(param.device())));
    }
  }
}

void Optimizer::ZeroGrad() {
  for (Group& group : groups_) {
    for (auto& [name, param] : group.params) param.mutable_grad().reset();
  }
}

void Optimizer::ClipGradients() {
  if (config_.clip_norm() <= 0) return;
  std::vector<at::Tensor> grads;
  for (const Group& group : groups_) {
    for (const auto& [name, param] : group.params) {
      if (param.grad().defined()) grads.push_back(param.grad());
    }
  }
  if (grads.empty()) return;
  const double norm = at::stack(at::_foreach_norm(grads, 2)).norm().item<double>();
  if (norm > config_.clip_norm()) at::_foreach_mul_(grads, config_.clip_norm() / (norm + 1e-6));
}

void Optimizer::Step(double lr) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < groups_.size(); ++i) row_->step(*this, i, lr * groups_[i].lr_scale);
}

NamedTensors Optimizer::State() const {
  NamedTensors state;
  for (const Group& group : groups_) {
    for (size_t i = 0; i < group.params.size(); ++i) {
      const std::string& name = group.params[i].first;
      state.emplace(name + ".m", group.momentum[i]);
      state.emplace(name + ".step", group.steps[i]);
      if (row_->second_moment) state.emplace(name + ".v", group.second_moment[i]);
    }
  }
  return state;
}

void Optimizer::LoadState(const NamedTensors& state) {
  const at::NoGradGuard no_grad;
  for (Group& group : groups_) {
    for (size_t i = 0; i < group.params.size(); ++i) {
      const std::string& name = group.params[i].first;
      LoadInto(group.momentum[i], state, name + ".m");
      LoadInto(group.steps[i], state, name + ".step");
      if (row_->second_moment) LoadInto(group.second_moment[i], state, name + ".v");
    }
  }
}

}  // namespace fluke::train
