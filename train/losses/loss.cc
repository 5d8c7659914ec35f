#include "train/losses/loss.h"

#include "common/error.h"
#include "common/table.h"
#include "train/losses/arcface.h"
#include "train/losses/triplet.h"

namespace fluke::train {
namespace {

const LossRow kLosses[] = {
    {"arcface", MakeArcFace, kArcFaceParams, "additive angular margin softmax (Deng et al. 2019)"},
    {"triplet", MakeTriplet, kTripletParams,
     "triplet margin loss with a miner (Schroff et al. 2015)"},
};

LossParams Resolve(const LossRow& row, const fluke::v1::LossTerm& term, const ConfigSource& source,
                   const std::string& path) {
  LossParams values;
  for (const LossParam& param : row.params) values.emplace(param.name, param.fallback);
  for (const auto& [key, numbers] : term.params()) {
    const std::string where = source.Where(StrCat(path, ".", key));
    const LossParam* known = nullptr;
    for (const LossParam& param : row.params) {
      if (param.name == key) known = &param;
    }
    if (known == nullptr) {
      InvalidArgument(where, ": ",
                      UnknownName(StrCat("parameter of ", row.name), key, Names(row.params)));
    }
    if (numbers.value_size() != 1) InvalidArgument(where, ": expected one number");
    const double value = numbers.value(0);
    if (!(value >= known->min && value <= known->max)) {
      InvalidArgument(where, ": expected a number from ", known->min, " to ", known->max,
                      ", found ", value);
    }
    values[key] = value;
  }
  return values;
}

}  // namespace

std::span<const LossRow> Losses() { return kLosses; }

LossSum::LossSum(const google::protobuf::RepeatedPtrField<fluke::v1::LossTerm>& terms,
                 const ConfigSource& source, int64_t dim, int64_t classes) {
  if (terms.empty())
    InvalidArgument(source.Where("loss"), ": no loss given; known: see `fluke list losses`");
  for (int i = 0; i < terms.size(); ++i) {
    const std::string path = StrCat("loss[", i, "]");
    const std::string where = source.Where(path);
    const LossRow& row = Find(Losses(), "loss", terms[i].name(), where);
    if (terms[i].has_miner()) Find(Miners(), "miner", terms[i].miner(), where);
    const LossContext context{.dim = dim, .classes = classes, .miner = terms[i].miner()};
    auto loss = row.make(context, Resolve(row, terms[i], source, path));
    auto scope = register_module(std::to_string(i), std::make_shared<torch::nn::Module>());
    scope->register_module(terms[i].name(), loss);
    terms_.push_back({terms[i].weight(), loss});
  }
}

at::Tensor LossSum::forward(const at::Tensor& embeddings, const at::Tensor& labels,
                            const at::Tensor& weights) {
  at::Tensor sum;
  for (const Term& term : terms_) {
    const at::Tensor value = term.weight * term.loss->forward(embeddings, labels, weights);
    sum = sum.defined() ? sum + value : value;
  }
  return sum;
}

}  // namespace fluke::train
