// Expected values printed by pytorch-metric-learning 2.9.0 for the embeddings, labels and weights
// below.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "common/table.h"
#include "train/losses/arcface.h"
#include "train/losses/triplet.h"

namespace fluke::train {
namespace {

at::Tensor Embeddings() {
  return torch::tensor({{1.f, 2.f, -1.f},
                        {2.f, 1.f, .5f},
                        {-1.f, 1.f, 1.f},
                        {.5f, -2.f, 1.f},
                        {1.f, 1.f, 1.f},
                        {-1.f, .5f, 2.f}});
}

at::Tensor Labels() { return torch::tensor({0, 0, 1, 2, 1, 1}, torch::kLong); }

ArcFace ArcFaceWithWeights(double scale) {
  ArcFace loss(3, 3, scale, 0.5);
  const at::NoGradGuard no_grad;
  loss.weight.copy_(torch::tensor({{1.f, .5f, 0.f}, {0.f, 1.f, .2f}, {-.3f, 0.f, 1.f}}));
  return loss;
}

double TripletValue(std::string_view miner, const Triplet::Options& options) {
  for (const MinerRow& row : Miners()) {
    if (row.name == miner)
      return Triplet(row, options).forward(Embeddings(), Labels()).item<double>();
  }
  ADD_FAILURE() << "no miner " << miner;
  return 0;
}

TEST(ArcFace, AgreesWithPytorchMetricLearning) {
  EXPECT_NEAR(ArcFaceWithWeights(64).forward(Embeddings(), Labels()).item<double>(), 26.4335155,
              1e-4);
  EXPECT_NEAR(ArcFaceWithWeights(30).forward(Embeddings(), Labels()).item<double>(), 12.4152756,
              1e-4);
}

TEST(ArcFace, GradientsAgreeWithPytorchMetricLearning) {
  ArcFace loss = ArcFaceWithWeights(30);
  at::Tensor x = Embeddings().requires_grad_();
  loss.forward(x, Labels()).backward();
  const at::Tensor dx = torch::tensor(
      {-2.29245758f, 1.22363162f, .154806122f, -.000256447704f, .00033782993f, .000350129994f});
  EXPECT_TRUE(at::allclose(x.grad().flatten().narrow(0, 0, 6), dx, 1e-4, 1e-6)) << x.grad();
  const at::Tensor dw =
      torch::tensor({1.26291966f, -2.52583909f, 5.40432739f, 4.30854082f, 2.5324010f, -12.6620064f,
                     -2.78011918f, 4.45710230f, -.834035873f});
  EXPECT_TRUE(at::allclose(loss.weight.grad().flatten(), dw, 1e-4, 1e-5)) << loss.weight.grad();
}

TEST(ArcFace, AddsTheMarginOnlyToTheTargetClass) {
  // Embedding = its own class centre: cos theta = 1 for the target, 0 for the other. With s = 10, m
  // = .5 the logits are 10 cos(.5) = 8.775826 and 0, so CE = log(1 + exp(-8.775826)) = 1.54423e-4.
  ArcFace loss(2, 2, 10, 0.5);
  const at::NoGradGuard no_grad;
  loss.weight.copy_(torch::eye(2));
  const double value =
      loss.forward(torch::tensor({{3.f, 0.f}}), torch::tensor({0}, torch::kLong)).item<double>();
  EXPECT_NEAR(value, std::log1p(std::exp(-10 * std::cos(0.5))), 1e-6);
}

TEST(ArcFace, StaysMonotonicPastPiMinusTheMargin) {
  // theta = pi: cos theta - m sin m = -1 - .5 sin .5; cos(theta + m) would be -cos .5, an easier
  // logit than at theta = pi - m.
  ArcFace loss(2, 2, 1, 0.5);
  const at::NoGradGuard no_grad;
  loss.weight.copy_(torch::eye(2));
  const double target = -1 - 0.5 * std::sin(0.5);
  const double expected = std::log1p(std::exp(0 - target));  // CE of logits (target, 0)
  EXPECT_NEAR(
      loss.forward(torch::tensor({{-1.f, 0.f}}), torch::tensor({0}, torch::kLong)).item<double>(),
      expected, 1e-6);
}

TEST(Triplet, AgreesWithPytorchMetricLearningForEveryMiner) {
  EXPECT_NEAR(TripletValue("all", {.margin = .2}), 0.431691676, 1e-5);
  EXPECT_NEAR(TripletValue("semi-hard", {.margin = .2}), 0.0477949828, 1e-5);
  EXPECT_NEAR(TripletValue("batch-hard", {.margin = .2}), 0.418228745, 1e-5);
}

TEST(Triplet, AgreesWithPytorchMetricLearningForEveryVariant) {
  EXPECT_NEAR(TripletValue("batch-hard", {.margin = .3, .euclidean = true}), 0.380100906, 1e-5);
  EXPECT_NEAR(TripletValue("batch-hard", {.margin = .3, .euclidean = true, .swap = true}),
              0.565749824, 1e-5);
  EXPECT_NEAR(TripletValue("batch-hard", {.margin = 0, .soft = true, .euclidean = true}),
              0.75143528, 1e-5);
}

TEST(Triplet, GivesZeroWithAGradientPathWhereNoTripletIsLeft) {
  for (const MinerRow& row : Miners()) {
    at::Tensor x = Embeddings().requires_grad_();
    const at::Tensor loss = Triplet(row, {}).forward(x, torch::zeros({6}, torch::kLong));
    loss.backward();
    EXPECT_EQ(loss.item<double>(), 0) << row.name;
    EXPECT_TRUE(at::equal(x.grad(), at::zeros_like(x))) << row.name;
  }
}

at::Tensor Weights() { return torch::tensor({1.f, .25f, 2.f, .5f, 3.f, .125f}); }

TEST(ArcFace, IsTheMeanOfPhotographsByTheirWeights) {
  ArcFace loss = ArcFaceWithWeights(30);
  double sum = 0;
  for (int64_t i = 0; i < 6; ++i) {
    sum += Weights()[i].item<double>() *
           loss.forward(Embeddings().narrow(0, i, 1), Labels().narrow(0, i, 1)).item<double>();
  }
  EXPECT_NEAR(loss.forward(Embeddings(), Labels(), Weights()).item<double>(), sum / 6.875, 1e-4);
  EXPECT_NEAR(loss.forward(Embeddings(), Labels(), at::full({6}, .3f)).item<double>(),
              loss.forward(Embeddings(), Labels()).item<double>(), 1e-5);
}

TEST(Triplet, IsTheMeanOfUnsatisfiedTripletsByTheirAnchorsWeights) {
  const at::Tensor x = Embeddings() / Embeddings().norm(2, 1, true);
  const at::Tensor d = 1 - at::matmul(x, x.t());
  const at::Tensor labels = Labels(), weights = Weights();
  double above = 0, below = 0;
  for (int64_t a = 0; a < 6; ++a) {
    for (int64_t p = 0; p < 6; ++p) {
      for (int64_t n = 0; n < 6; ++n) {
        const auto label = [&](int64_t i) { return labels[i].item<int64_t>(); };
        if (a == p || label(a) != label(p) || label(a) == label(n)) continue;
        const double violation = d[a][p].item<double>() - d[a][n].item<double>() + .2;
        if (violation <= 0) continue;
        above += weights[a].item<double>() * violation;
        below += weights[a].item<double>();
      }
    }
  }
  EXPECT_NEAR(Triplet(Find(Miners(), "miner", "all"), {.margin = .2})
                  .forward(Embeddings(), labels, weights)
                  .item<double>(),
              above / below, 1e-5);
}

fluke::v1::TrainConfig Parse(const std::string& yaml, ConfigSource* source) {
  fluke::v1::TrainConfig config;
  *source = ParseConfig(yaml, "t.yaml", {}, &config);
  return config;
}

std::string ErrorOf(const std::string& yaml) {
  ConfigSource source;
  const fluke::v1::TrainConfig config = Parse(yaml, &source);
  try {
    LossSum(config.loss(), source, 4, 3);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
    return error.what();
  }
  return "";
}

TEST(LossSum, WeighsItsTerms) {
  ConfigSource source;
  const auto config =
      Parse("data: {manifest: x}\nloss: {triplet: {weight: 2, miner: batch-hard}}\n", &source);
  LossSum sum(config.loss(), source, 3, 3);
  EXPECT_NEAR(sum.forward(Embeddings(), Labels()).item<double>(), 2 * 0.418228745, 1e-5);
}

TEST(LossSum, NamesTheLineOfAWrongNameOrValue) {
  EXPECT_THAT(
      ErrorOf("data: {manifest: x}\nloss: {arcfase: 1}\n"),
      testing::AllOf(testing::HasSubstr("t.yaml:2"), testing::HasSubstr("did you mean 'arcface'")));
  EXPECT_THAT(
      ErrorOf("data: {manifest: x}\nloss:\n  arcface: {scael: 30}\n"),
      testing::AllOf(testing::HasSubstr("t.yaml:3"), testing::HasSubstr("did you mean 'scale'")));
  EXPECT_THAT(ErrorOf("data: {manifest: x}\nloss:\n  arcface: {margin_rad: 28.6}\n"),
              testing::AllOf(testing::HasSubstr("t.yaml:3"), testing::HasSubstr("28.6")));
  EXPECT_THAT(ErrorOf("data: {manifest: x}\nloss:\n  triplet: {miner: semihard}\n"),
              testing::AllOf(testing::HasSubstr("t.yaml:3"),
                             testing::HasSubstr("did you mean 'semi-hard'")));
  EXPECT_THAT(ErrorOf("data: {manifest: x}\n"), testing::HasSubstr("no loss"));
}

}  // namespace
}  // namespace fluke::train
