#include "train/embedder.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include <ATen/Parallel.h>

#include "common/config.h"
#include "common/crc32c.h"
#include "common/error.h"
#include "common/files.h"
#include "common/sha1.h"
#include "fluke/v1/config.pb.h"
#include "train/data/batch_pixels.h"
#include "train/device.h"
#include "train/input.h"
#include "train/models/embedding_network.h"
#include "train/models/fused_conv.h"
#include "train/run_folder.h"
#include "train/unit_rows.h"
#include "train/weights.h"

namespace fluke::train {
namespace {

// One trained network, ready to use.
struct OpenModel {
  InputFormat input;
  bool channels_last = true;
  std::shared_ptr<EmbeddingNetwork> network;
  std::string fingerprint;
};

OpenModel OpenRun(const std::string& path, at::Device device, at::ScalarType type) {
  const RunFolder run{path};
  if (!std::filesystem::exists(run.model())) {
    NotFound(path, ": no trained model there (", run.model().filename().string(), " is missing)");
  }
  fluke::v1::TrainConfig config;
  LoadConfig(run.config(), {}, &config);
  OpenModel model;
  model.input = InputFormatOf(config.input());
  model.channels_last = config.train().channels_last();
  config.mutable_model()->clear_init_from();
  model.network = std::make_shared<EmbeddingNetwork>(config.model(), model.input.channels);
  LoadWeights(*model.network, ReadWeights(path), "", run.model().string());
  model.network->to(device);
  if (model.channels_last) MakeChannelsLast(*model.network);
  model.network->eval();
  if (device.is_cpu() && CanFuse(type)) model.network->Fuse(type);
  // Weights, architecture and preprocessing decide what an embedding means; how it was trained does
  // not.
  model.fingerprint = Sha1Hex(StrCat(Sha1Hex(ReadFile(run.model())), ConfigToYaml(config.model()),
                                     ConfigToYaml(config.input())));
  return model;
}

class TorchEmbedder : public Embedder {
 public:
  TorchEmbedder(const std::vector<std::string>& runs, const EmbedderOptions& options)
      : device_(OpenDevice(options.device)),
        precision_(options.precision.empty() ? "fp32" : options.precision) {
    if (runs.empty()) InvalidArgument("no model given");
    PrepareThreadsAndMemory(options.threads);
    std::string fingerprints;
    const at::ScalarType type = precision_ == "bf16" ? at::kBFloat16 : at::kFloat;
    for (const std::string& run : runs) {
      models_.push_back(OpenRun(run, device_, type));
      dimension_ += models_.back().network->dim();
      min_side_px_ =
          std::max({min_side_px_, models_.back().input.width, models_.back().input.height});
      fingerprints += models_.back().fingerprint;
    }
    fingerprint_ = models_.size() == 1 ? fingerprints : Sha1Hex(fingerprints);
  }

  int64_t dimension() const override { return dimension_; }
  std::string fingerprint() const override { return fingerprint_; }
  int min_side_px() const override { return min_side_px_; }

  void Embed(std::span<const cv::Mat> images, float* out) const override {
    if (images.empty()) return;
    const std::lock_guard lock(mutex_);
    const c10::InferenceMode inference;
    const auto n = static_cast<int64_t>(images.size());
    at::Tensor all = at::from_blob(out, {n, dimension_}, at::kFloat);
    int64_t column = 0;
    for (const OpenModel& model : models_) {
      const int64_t dim = model.network->dim();
      all.narrow(1, column, dim).copy_(Run(model, images));
      column += dim;
    }
    all.div_(std::sqrt(static_cast<double>(models_.size())));
  }

 private:
  // images -> N x dim unit rows.
  at::Tensor Run(const OpenModel& model, std::span<const cv::Mat> images) const {
    const InputFormat& input = model.input;
    const auto n = static_cast<int64_t>(images.size());
    at::Tensor pixels = at::empty({n, input.height, input.width, input.channels}, at::kFloat);
    at::parallel_for(0, n, 1, [&, out = pixels.data_ptr<float>()](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        WritePixels(images[i], input, out + i * input.height * input.width * input.channels);
      }
    });
    at::Tensor batch = pixels.permute({0, 3, 1, 2});
    if (!model.channels_last) batch = batch.contiguous();
    at::Tensor embedding;
    {
      const AutocastScope autocast(precision_, device_.type());
      embedding = model.network->forward(batch.to(device_));
    }
    return UnitRows(embedding.to(at::kFloat)).to(at::kCPU);
  }

  at::Device device_;
  std::string precision_;
  std::vector<OpenModel> models_;
  int64_t dimension_ = 0;
  int min_side_px_ = 0;
  std::string fingerprint_;
  mutable std::mutex mutex_;  // Torch's threads work on one batch at a time
};

}  // namespace

std::unique_ptr<Embedder> OpenEmbedder(const std::vector<std::string>& runs,
                                       const EmbedderOptions& options) {
  return std::make_unique<TorchEmbedder>(runs, options);
}

}  // namespace fluke::train
