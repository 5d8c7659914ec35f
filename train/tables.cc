#include "train/tables.h"

#include "train/data/sampler.h"
#include "train/data/transforms.h"
#include "train/losses/loss.h"
#include "train/losses/triplet.h"
#include "train/models/backbone.h"
#include "train/models/pooling.h"
#include "train/optim/optimizer.h"
#include "train/optim/schedule.h"
#include "train/tta.h"

namespace fluke::train {
namespace {

template <typename Table>
std::vector<Choice> Rows(const Table& table) {
  std::vector<Choice> rows;
  for (const auto& row : table) rows.push_back({row.name, row.help});
  return rows;
}

constexpr ChoiceTable kTables[] = {
    {"backbones", "model.backbone", [] { return Rows(Backbones()); }},
    {"poolings", "model.pooling", [] { return Rows(Poolings()); }},
    {"losses", "loss", [] { return Rows(Losses()); }},
    {"miners", "loss.*.miner", [] { return Rows(Miners()); }},
    {"transforms", "augment", [] { return Rows(Transforms()); }},
    {"samplers", "train.sampler", [] { return Rows(Samplers()); }},
    {"optimizers", "optimizer.name", [] { return Rows(Optimizers()); }},
    {"schedules", "schedule.name", [] { return Rows(Schedules()); }},
    {"tta", "embed --tta, a pipeline's embedding.tta", [] { return Rows(Augmentations()); }},
    {"tta-merges", "embed --tta-merge, a pipeline's embedding.tta_merge",
     [] { return Rows(Merges()); }},
};

}  // namespace

std::span<const ChoiceTable> ChoiceTables() { return kTables; }

}  // namespace fluke::train
