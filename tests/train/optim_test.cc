// Expected values printed by torch.optim of PyTorch 2.11.0: three steps down sum(p^3) from (1, -2,
// 3), lr .1, decay .01.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "train/optim/optimizer.h"
#include "train/optim/schedule.h"

namespace fluke::train {
namespace {

at::Tensor Start() { return torch::tensor({1.f, -2.f, 3.f}).requires_grad_(); }

fluke::v1::Optimizer Config(const std::string& name) {
  fluke::v1::Optimizer config;
  config.set_name(name);
  config.set_lr(.1);
  config.set_weight_decay(.01);
  return config;
}

Optimizer Make(const fluke::v1::Optimizer& config, const at::Tensor& p) {
  Optimizer::Group group;
  group.params = {{"p", p}};
  return Optimizer(config, {group});
}

void Descend(Optimizer* optimizer, const at::Tensor& p, int steps) {
  for (int i = 0; i < steps; ++i) {
    optimizer->ZeroGrad();
    p.pow(3).sum().backward();
    optimizer->Step(.1);
  }
}

void ExpectAfterThreeSteps(const std::string& name, const std::vector<float>& expected) {
  const at::Tensor p = Start();
  Optimizer optimizer = Make(Config(name), p);
  Descend(&optimizer, p, 3);
  for (int64_t i = 0; i < 3; ++i)
    EXPECT_NEAR(p[i].item<double>(), expected[i], 2e-5 * std::abs(expected[i])) << name;
}

TEST(Optimizer, StepsLikeTorchOptim) {
  ExpectAfterThreeSteps("adam", {.7041429f, -2.300494f, 2.700868f});
  ExpectAfterThreeSteps("adamw", {.7015196f, -2.294198f, 2.69221f});
  ExpectAfterThreeSteps("sgd", {-.189006f, -160.7545f, -37.28781f});
}

TEST(Optimizer, GoesOnFromASavedStateAsIfNeverStopped) {
  for (const char* name : {"adam", "adamw", "sgd"}) {
    const at::Tensor whole = Start();
    Optimizer one = Make(Config(name), whole);
    Descend(&one, whole, 3);
    const at::Tensor half = Start();
    Optimizer two = Make(Config(name), half);
    Descend(&two, half, 2);
    const at::Tensor rest = half.detach().clone().requires_grad_();
    Optimizer three = Make(Config(name), rest);
    three.LoadState(two.State());
    Descend(&three, rest, 1);
    EXPECT_TRUE(at::equal(whole, rest)) << name;
  }
}

TEST(Optimizer, RefusesAStateThatDoesNotFit) {
  const at::Tensor p = Start();
  Optimizer optimizer = Make(Config("adam"), p);
  EXPECT_THROW(optimizer.LoadState({}), Error);
}

TEST(Optimizer, ClipsTheJointNormOfAllGradients) {
  fluke::v1::Optimizer config = Config("sgd");
  config.set_clip_norm(1);
  const at::Tensor p = torch::zeros({2}).requires_grad_();
  p.mutable_grad() = torch::tensor({3.f, 4.f});
  Optimizer optimizer = Make(config, p);
  optimizer.ClipGradients();  // norm 5 -> 1: (.6, .8)
  EXPECT_TRUE(at::allclose(p.grad(), torch::tensor({.6f, .8f}), 1e-4));
}

TEST(Optimizer, SuggestsANameForATypo) {
  try {
    Make(Config("adamww"), Start());
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("did you mean 'adamw'"));
  }
}

TEST(Schedule, WarmsUpLinearlyThenFallsAsHalfACosine) {
  // 4 warm-up steps to 1, then cosine to .2 at step 12: the middle of the cosine (step 8) is (1 +
  // .2) / 2.
  const ScheduleContext context{.lr = 1, .final_lr = .2, .warmup_steps = 4, .total_steps = 13};
  for (const ScheduleRow& row : Schedules()) {
    if (row.name != "warmup_cosine") continue;
    EXPECT_DOUBLE_EQ(row.lr_at(context, 0), .25);
    EXPECT_DOUBLE_EQ(row.lr_at(context, 3), 1);
    EXPECT_DOUBLE_EQ(row.lr_at(context, 4), 1);
    EXPECT_NEAR(row.lr_at(context, 8), .6, 1e-12);
    EXPECT_NEAR(row.lr_at(context, 12), .2, 1e-12);
  }
}

}  // namespace
}  // namespace fluke::train
