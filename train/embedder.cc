#include "train/embedder.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include <ATen/Parallel.h>

#include "common/config.h"
#include "common/crc32c.h"
#include "common/error.h"
#include "common/files.h"
#include "common/log.h"
#include "common/sha1.h"
#include "common/table.h"
#include "fluke/v1/config.pb.h"
#include "train/data/batch_pixels.h"
#include "train/device.h"
#include "train/input.h"
#include "train/models/embedding_network.h"
#include "train/models/fused_conv.h"
#include "train/run_folder.h"
#include "train/tta.h"
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
        precision_(options.precision.empty() ? "fp32"
                                             : PrecisionOn(options.precision, device_.type())),
        views_(ViewsOf(options.tta)),
        merge_(Find(Merges(), "tta merge", options.tta_merge).merge),
        scales_(ScalesOf(options.weights, runs.size())) {
    if (runs.empty()) InvalidArgument("no model given");
    if (!options.precision.empty() && precision_ != options.precision) {
      LogWarning(kFp32Instead);
    }
    SetThreads(options.threads);
    std::string fingerprints;
    const at::ScalarType type = precision_ == "bf16" ? at::kBFloat16 : at::kFloat;
    for (const std::string& run : runs) {
      models_.push_back(OpenRun(run, device_, type));
      dimension_ += models_.back().network->dim();
      min_side_px_ =
          std::max({min_side_px_, models_.back().input.width, models_.back().input.height});
      fingerprints += models_.back().fingerprint;
    }
    min_side_px_ = static_cast<int>(std::ceil(min_side_px_ * LargestScale(views_)));
    fingerprint_ = models_.size() == 1 ? fingerprints : Sha1Hex(fingerprints);
    // What makes other vectors out of the same models is another model to an index.
    if (!options.tta.empty()) {
      fingerprint_ =
          Sha1Hex(StrCat(fingerprint_, " tta ", StrJoin(options.tta, ","), " ", options.tta_merge));
    }
    if (!IsUniform(scales_)) {
      fingerprint_ = Sha1Hex(StrCat(fingerprint_, " weights ", StrJoin(options.weights, ",")));
    }
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
    for (size_t i = 0; i < models_.size(); ++i) {
      const int64_t dim = models_[i].network->dim();
      all.narrow(1, column, dim).copy_(RunViews(models_[i], images).mul_(scales_[i]));
      column += dim;
    }
  }

 private:
  // sqrt(w / sum of w) of each model: 1 / sqrt(models) where all are the same.
  static std::vector<double> ScalesOf(const std::vector<double>& weights, size_t models) {
    if (weights.empty()) {
      return std::vector<double>(models, 1 / std::sqrt(static_cast<double>(models)));
    }
    if (weights.size() != models) {
      InvalidArgument(weights.size(), " weights for ", models, " models");
    }
    double sum = 0;
    for (const double weight : weights) {
      if (!(weight >= 0) || !std::isfinite(weight)) {
        InvalidArgument("a model's weight is ", weight, ", expected 0 or more");
      }
      sum += weight;
    }
    if (!(sum > 0)) InvalidArgument("all models have the weight 0");
    std::vector<double> scales;
    for (const double weight : weights) scales.push_back(std::sqrt(weight / sum));
    return scales;
  }

  static bool IsUniform(const std::vector<double>& scales) {
    return std::ranges::all_of(scales, [&](double scale) { return scale == scales.front(); });
  }

  // images -> N x dim unit rows: of all views, merged.
  at::Tensor RunViews(const OpenModel& model, std::span<const cv::Mat> images) const {
    if (views_.size() == 1) return Run(model, model.input, images);
    std::vector<at::Tensor> of_view;
    for (const View& view : views_) {
      std::vector<cv::Mat> seen;
      for (const cv::Mat& image : images) seen.push_back(Look(image, view));
      InputFormat input = model.input;
      input.width = std::max(1, static_cast<int>(std::lround(input.width * view.scale)));
      input.height = std::max(1, static_cast<int>(std::lround(input.height * view.scale)));
      of_view.push_back(Run(model, input, seen));
    }
    const at::Tensor stacked = at::stack(of_view, -1).contiguous();  // N x dim x views
    const size_t views = views_.size();
    at::Tensor merged = at::empty({stacked.size(0), stacked.size(1)}, at::kFloat);
    const float* values = stacked.data_ptr<float>();
    float* out = merged.data_ptr<float>();
    for (int64_t i = 0; i < merged.numel(); ++i) {
      out[i] = merge_(std::span(values + i * static_cast<int64_t>(views), views));
    }
    return UnitRows(merged);
  }

  // images -> N x dim unit rows.
  at::Tensor Run(const OpenModel& model, const InputFormat& input,
                 std::span<const cv::Mat> images) const {
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
  std::vector<View> views_;
  float (*merge_)(std::span<const float> values);
  std::vector<double> scales_;  // of each model's unit vector
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
