// Between the loader, which knows no Torch, and the network: batches as tensors, photographs as
// embeddings.
#pragma once

#include <memory>

#include "common/config.h"
#include "fluke/v1/config.pb.h"
#include "train/data/loader.h"
#include "train/dataset.h"
#include "train/models/embedding_network.h"
#include "train/torch.h"

namespace fluke::train {

// Views into the batch's memory: N x C x H x W float32, channels-last; N int64.
at::Tensor ImagesOf(const Batch& batch);
at::Tensor LabelsOf(const Batch& batch);

// The loader of a run's training photographs. Throws InvalidArgument naming the config's line.
std::unique_ptr<Loader> MakeTrainLoader(const LabelledPhotos& photos, const InputFormat& input,
                                        const fluke::v1::TrainConfig& config,
                                        const ConfigSource& source);

// The loader of validation photographs: in order, without augmentation.
std::unique_ptr<Loader> MakeEvaluationLoader(const LabelledPhotos& photos, const InputFormat& input,
                                             const fluke::v1::TrainConfig& config);

// One epoch of `loader` through `network` (in evaluation mode): photographs x dim unit rows, on the
// CPU.
at::Tensor EmbedPhotos(EmbeddingNetwork& network, Loader& loader,
                       const fluke::v1::TrainConfig& config, at::Device device);

}  // namespace fluke::train
