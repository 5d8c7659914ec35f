#include "train/check_config.h"

#include <string>
#include <vector>

#include "common/error.h"
#include "common/manifest.h"
#include "common/table.h"
#include "train/data/sampler.h"
#include "train/data/transforms.h"
#include "train/dataset.h"
#include "train/device.h"
#include "train/input.h"
#include "train/losses/loss.h"
#include "train/models/backbone.h"
#include "train/models/pooling.h"
#include "train/optim/optimizer.h"
#include "train/optim/schedule.h"

namespace fluke::train {
namespace {

// An error that has no place of its own gets the field's.
template <typename Check>
void At(const ConfigSource& source, std::string_view field, const Check& check) {
  try {
    check();
  } catch (const Error& error) {
    Throw(error.code(), source.Where(field), ": ", error.what());
  }
}

}  // namespace

void CheckConfig(const fluke::v1::TrainConfig& config, const ConfigSource& source) {
  const auto known = [&](const auto& table, std::string_view kind, const std::string& name,
                         std::string_view field) { Find(table, kind, name, source.Where(field)); };
  InputFormatOf(config.input());
  known(Backbones(), "backbone", config.model().backbone(), "model.backbone");
  known(Poolings(), "pooling", config.model().pooling(), "model.pooling");
  known(Optimizers(), "optimizer", config.optimizer().name(), "optimizer.name");
  known(Schedules(), "schedule", config.schedule().name(), "schedule.name");
  known(Samplers(), "sampler", config.train().sampler(), "train.sampler");
  Augmenter(config.augment(), source);
  // Two classes are enough to make the losses, which check their parameters.
  LossSum(config.loss(), source, config.model().dim(), /*classes=*/2);
  At(source, "train.device", [&] { OpenDevice(config.train().device()); });
  At(source, "train.precision",
     [&] { AutocastScope(config.train().precision(), at::DeviceType::CPU); });
  std::vector<BadRow> bad;
  DivideManifest(config.data().skip_bad() ? ReadManifestSkippingBad(config.data().manifest(), &bad)
                                          : ReadManifest(config.data().manifest()),
                 config.data(), source);
}

}  // namespace fluke::train
