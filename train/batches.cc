#include "train/batches.h"

#include <numeric>

#include "common/error.h"
#include "common/random.h"
#include "common/table.h"
#include "train/data/sampler.h"
#include "train/device.h"
#include "train/unit_rows.h"

namespace fluke::train {
namespace {

constexpr uint64_t kOrderStream = 4;  // of the run's random streams
constexpr int64_t kMegabyte = 1 << 20;

LoaderOptions OptionsOf(const InputFormat& input, const fluke::v1::TrainConfig& config,
                        int64_t batch_size) {
  return {.input = input,
          .batch_size = batch_size,
          .seed = config.seed(),
          .workers = config.train().workers(),
          .cache_bytes = config.data().cache_mb() * kMegabyte};
}

}  // namespace

at::Tensor ImagesOf(const Batch& batch) {
  const auto n = static_cast<int64_t>(batch.items.size());
  return at::from_blob(const_cast<float*>(batch.pixels.data()),
                       {n, batch.height, batch.width, batch.channels}, at::kFloat)
      .permute({0, 3, 1, 2});
}

at::Tensor LabelsOf(const Batch& batch) {
  return at::from_blob(const_cast<int64_t*>(batch.labels.data()),
                       {static_cast<int64_t>(batch.labels.size())}, at::kLong);
}

std::unique_ptr<Loader> MakeTrainLoader(const LabelledPhotos& photos, const InputFormat& input,
                                        const fluke::v1::TrainConfig& config,
                                        const ConfigSource& source) {
  const fluke::v1::TrainLoop& train = config.train();
  const SamplerRow& sampler =
      Find(Samplers(), "sampler", train.sampler(), source.Where("train.sampler"));
  auto order = [&sampler, labels = photos.labels, train, seed = config.seed()](int64_t epoch) {
    return sampler.order({.labels = labels,
                          .batch_size = train.batch_size(),
                          .photos_per_identity = train.photos_per_identity(),
                          .key = RandomKey({seed, kOrderStream, static_cast<uint64_t>(epoch)})});
  };
  return std::make_unique<Loader>(photos.manifest, photos.labels,
                                  Augmenter(config.augment(), source), order,
                                  OptionsOf(input, config, train.batch_size()));
}

std::unique_ptr<Loader> MakeEvaluationLoader(const LabelledPhotos& photos, const InputFormat& input,
                                             const fluke::v1::TrainConfig& config) {
  const size_t n = photos.labels.size();
  auto order = [n](int64_t) {
    std::vector<int64_t> all(n);
    std::iota(all.begin(), all.end(), 0);
    return all;
  };
  return std::make_unique<Loader>(photos.manifest, photos.labels, Augmenter(), order,
                                  OptionsOf(input, config, config.validation().batch_size()));
}

at::Tensor EmbedPhotos(EmbeddingNetwork& network, Loader& loader,
                       const fluke::v1::TrainConfig& config, at::Device device) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> parts;
  loader.Start(0);
  while (const Batch* batch = loader.Next()) {
    const AutocastScope autocast(PrecisionOn(config.train().precision(), device.type()),
                                 device.type());
    const at::Tensor embeddings = network.forward(ImagesOf(*batch).to(device));
    parts.push_back(UnitRows(embeddings.to(at::kFloat)).to(at::kCPU));
  }
  return at::cat(parts).contiguous();
}

}  // namespace fluke::train
