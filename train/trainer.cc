#include "train/trainer.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <set>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/csv.h"
#include "common/error.h"
#include "common/files.h"
#include "common/log.h"
#include "common/manifest.h"
#include "common/metrics/retrieval.h"
#include "common/metrics/search.h"
#include "common/progress.h"
#include "common/random.h"
#include "common/table.h"
#include "train/batches.h"
#include "train/dataset.h"
#include "train/device.h"
#include "train/input.h"
#include "train/losses/loss.h"
#include "train/models/embedding_network.h"
#include "train/optim/optimizer.h"
#include "train/optim/schedule.h"
#include "train/progress_state.h"
#include "train/run_folder.h"
#include "train/tensorboard.h"
#include "train/weight_average.h"
#include "train/weights.h"

namespace fluke::train {
namespace {

constexpr char kModelPrefix[] = "model.";
constexpr char kLossPrefix[] = "loss.";
constexpr char kOptimizerPrefix[] = "optimizer.";
constexpr char kAveragePrefix[] = "average.";
constexpr char kStateKey[] = "fluke.progress";
constexpr size_t kMaxNamedPhotos = 8;

// Keys of the random streams that a run draws from.
enum Stream : uint64_t { kInitStream = 1, kDropoutStream = 2 };

double SecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

NamedTensors WithPrefix(const NamedTensors& tensors, const std::string& prefix) {
  NamedTensors out;
  for (const auto& [name, tensor] : tensors) out.emplace(prefix + name, tensor);
  return out;
}

// A best checkpoint without the loss's weights.
NamedTensors ModelWeights(const NamedTensors& tensors) {
  NamedTensors out;
  for (const auto& [name, tensor] : tensors) {
    if (!name.starts_with(kLossPrefix)) out.emplace(name, tensor);
  }
  return out;
}

NamedTensors WithoutPrefix(const NamedTensors& tensors, const std::string& prefix) {
  NamedTensors out;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) out.emplace(name.substr(prefix.size()), tensor);
  }
  return out;
}

Optimizer::Group ParametersOf(const torch::nn::Module& module, const std::string& prefix,
                              double lr_scale) {
  Optimizer::Group group;
  group.lr_scale = lr_scale;
  for (const auto& item : module.named_parameters())
    group.params.emplace_back(prefix + item.key(), item.value());
  return group;
}

// Shortest decimal that reads back as the same double.
std::string Number(double value) { return nlohmann::json(value).dump(); }

std::vector<std::string> MetricNames(const fluke::v1::Validation& config) {
  std::vector<std::string> names(config.metrics().begin(), config.metrics().end());
  if (names.empty()) names = {"recall@1", "recall@5", "recall@20", "kaggle_map@5"};
  if (std::find(names.begin(), names.end(), config.best_by()) == names.end())
    names.push_back(config.best_by());
  return names;
}

// "dim: 8 there, dim: 16 here": the first line in which two configs differ.
std::string FirstDifference(const std::string& there, const std::string& here) {
  const std::vector<std::string> a = absl::StrSplit(there, '\n'), b = absl::StrSplit(here, '\n');
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (a[i] == b[i]) continue;
    return StrCat(std::string(absl::StripAsciiWhitespace(a[i])), " there, ",
                  std::string(absl::StripAsciiWhitespace(b[i])), " here");
  }
  return "one has more lines";
}

class Trainer {
 public:
  Trainer(const fluke::v1::TrainConfig& config, const ConfigSource& source,
          const TrainOptions& options)
      : config_(config),
        source_(source),
        options_(options),
        run_{options.run},
        device_(OpenDevice(config.train().device())),
        input_(InputFormatOf(config.input())) {
    const std::string& precision = config.train().precision();
    if (PrecisionOn(precision, device_.type()) != precision) LogWarning(kFp32Instead);
  }

  TrainSummary Run();

 private:
  void OpenData();
  Manifest ReadUsablePhotos() const;
  void BuildNetwork();
  void InitialiseFromOtherRun();
  void Resume();
  void TrainEpoch();
  double TrainBatch(const Batch& batch);
  void OptimizerStep();
  void FinishEpoch();
  std::vector<MetricResult> Validate();
  void KeepBest(const std::vector<MetricResult>& metrics);
  void SaveCheckpoint();
  void RequireFiniteWeights() const;
  std::string PhotosOf(const Batch& batch) const;
  at::Tensor WeightsOfPhotos(const Batch& batch) const;
  bool HasValidation() const { return !data_.val.labels.empty(); }
  bool ReachedMaxSteps() const {
    return config_.train().max_steps() > 0 && state_.step >= config_.train().max_steps();
  }
  NamedTensors ModelAndLossWeights() const;

  fluke::v1::TrainConfig config_;
  const ConfigSource& source_;
  TrainOptions options_;
  RunFolder run_;
  at::Device device_;
  InputFormat input_;
  TrainingData data_;
  std::unique_ptr<Loader> loader_, val_loader_;
  std::vector<std::string> metric_names_;
  std::shared_ptr<EmbeddingNetwork> network_;
  std::shared_ptr<LossSum> loss_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<WeightAverage> average_;
  std::unique_ptr<TensorBoardWriter> board_;
  ScheduleContext schedule_;
  const ScheduleRow* schedule_row_ = nullptr;
  int64_t batches_per_epoch_ = 0;
  ProgressState state_;
  TrainSummary summary_;
  int64_t images_done_ = 0;
};

// The manifest without its bad rows and unreadable photographs, which are listed in bad_rows.csv.
Manifest Trainer::ReadUsablePhotos() const {
  std::vector<BadRow> bad;
  const Manifest all = ReadManifestSkippingBad(config_.data().manifest(), &bad);
  std::set<int64_t> bad_lines;
  for (BadRow& row : CheckImages(all, config_.train().workers())) {
    bad_lines.insert(row.line);
    bad.push_back(std::move(row));
  }
  std::vector<bool> keep;
  for (const ManifestItem& item : all.items) keep.push_back(!bad_lines.contains(item.line));
  if (!bad.empty()) {
    std::string lines = CsvLine({"path", "line", "reason"});
    for (const BadRow& row : bad)
      lines += CsvLine({row.path, std::to_string(row.line), row.reason});
    std::filesystem::create_directories(run_.root);
    WriteFileAtomically(run_.bad_rows(), lines);
    LogWarning(StrCat(bad.size(), " photographs are left out; see ", run_.bad_rows().string()));
  }
  return Select(all, keep);
}

void Trainer::OpenData() {
  const Manifest manifest =
      config_.data().skip_bad() ? ReadUsablePhotos() : ReadManifest(config_.data().manifest());
  data_ = DivideManifest(manifest, config_.data(), source_);
  for (const std::string& note : data_.notes) LogWarning(note);
  LogInfo(StrCat(data_.train.labels.size(), " photographs of ", data_.train.identities.size(),
                 " identities to train on, ", data_.val.labels.size(), " of ",
                 data_.val.identities.size(), " to validate on"));
  metric_names_ = MetricNames(config_.validation());
}

void Trainer::BuildNetwork() {
  torch::manual_seed(RandomKey({config_.seed(), kInitStream}));
  network_ = std::make_shared<EmbeddingNetwork>(config_.model(), input_.channels);
  loss_ = std::make_shared<LossSum>(config_.loss(), source_, network_->dim(),
                                    static_cast<int64_t>(data_.train.identities.size()));
  if (config_.model().has_init_from()) InitialiseFromOtherRun();
  network_->to(device_);
  loss_->to(device_);
  if (config_.train().channels_last()) MakeChannelsLast(*network_);
  std::vector<Optimizer::Group> groups;
  groups.push_back(ParametersOf(*network_, kModelPrefix, 1));
  groups.push_back(ParametersOf(*loss_, kLossPrefix, config_.optimizer().loss_lr_scale()));
  optimizer_ = std::make_unique<Optimizer>(config_.optimizer(), std::move(groups));
  average_ = std::make_unique<WeightAverage>(*network_, config_.train().ema_decay());
}

void Trainer::InitialiseFromOtherRun() {
  const std::string& origin = config_.model().init_from();
  const TransferReport report = TransferWeights(*network_, ReadWeights(origin), origin);
  LogInfo(StrCat("init_from ", origin, ": ", report.loaded, " weights loaded, ",
                 report.skipped.size(), " skipped"));
  for (const std::string& skipped : report.skipped) LogInfo("  skipped " + skipped);
}

void Trainer::Resume() {
  const Safetensors checkpoint = ReadSafetensors(run_.last());
  const std::string origin = run_.last().string();
  const auto progress = checkpoint.metadata.find(kStateKey);
  if (progress == checkpoint.metadata.end()) DataLoss(origin, ": not a checkpoint to resume from");
  ProgressState state = ProgressState::FromJson(progress->second, origin);
  if (state.config_yaml != state_.config_yaml) {
    Throw(absl::StatusCode::kFailedPrecondition, origin,
          ": the run was begun with another config (", run_.config(),
          "): ", FirstDifference(state.config_yaml, state_.config_yaml),
          "; resume with the same one, or begin a new run");
  }
  LoadWeights(*network_, checkpoint.tensors, kModelPrefix, origin);
  LoadWeights(*loss_, checkpoint.tensors, kLossPrefix, origin);
  optimizer_->LoadState(WithoutPrefix(checkpoint.tensors, kOptimizerPrefix));
  average_->LoadState(checkpoint.tensors, kAveragePrefix);
  state_ = std::move(state);
  LogInfo(StrCat("resumed at epoch ", state_.epoch + 1, ", batch ", state_.batch, ", step ",
                 state_.step));
}

std::string Trainer::PhotosOf(const Batch& batch) const {
  std::vector<std::string> names;
  for (int64_t item : batch.items) {
    if (names.size() == kMaxNamedPhotos) {
      names.push_back("...");
      break;
    }
    names.push_back(data_.train.manifest.items[item].path);
  }
  return absl::StrJoin(names, ", ");
}

// Undefined where all count the same.
at::Tensor Trainer::WeightsOfPhotos(const Batch& batch) const {
  if (data_.train.weights.empty()) return {};
  std::vector<float> weights;
  for (const int64_t item : batch.items) {
    weights.push_back(data_.train.weights[static_cast<size_t>(item)]);
  }
  return torch::tensor(weights).to(device_);
}

// Forward, loss and backward of one batch; returns the loss.
double Trainer::TrainBatch(const Batch& batch) {
  torch::manual_seed(RandomKey({config_.seed(), kDropoutStream, static_cast<uint64_t>(state_.epoch),
                                static_cast<uint64_t>(state_.batch)}));
  const at::Tensor images = ImagesOf(batch).to(device_);
  const at::Tensor labels = LabelsOf(batch).to(device_);
  at::Tensor embeddings;
  {
    const AutocastScope autocast(PrecisionOn(config_.train().precision(), device_.type()),
                                 device_.type());
    embeddings = network_->forward(images);
  }
  const at::Tensor loss = loss_->forward(embeddings, labels, WeightsOfPhotos(batch));
  const double value = loss.item<double>();
  if (!std::isfinite(value)) {
    Throw(absl::StatusCode::kAborted, "the loss is ", value, " at step ", state_.step, " (epoch ",
          state_.epoch + 1, ", batch ", state_.batch, ") of the photographs ", PhotosOf(batch),
          std::filesystem::exists(run_.last())
              ? StrCat("; the last good checkpoint is ", run_.last().string())
              : std::string("; no checkpoint had been written yet"));
  }
  (loss / config_.train().accumulate()).backward();
  return value;
}

void Trainer::OptimizerStep() {
  optimizer_->ClipGradients();
  optimizer_->Step(schedule_row_->lr_at(schedule_, state_.step));
  optimizer_->ZeroGrad();
  average_->Update(state_.step);
  ++state_.step;
}

void Trainer::TrainEpoch() {
  network_->train();
  const auto begin = std::chrono::steady_clock::now();
  Progress progress(StrCat("epoch ", state_.epoch + 1, "/", config_.train().epochs()),
                    (batches_per_epoch_ - state_.batch) * config_.train().batch_size());
  loader_->Start(state_.epoch, state_.batch);
  const int accumulate = config_.train().accumulate();
  int64_t images = 0;
  while (state_.batch < batches_per_epoch_ && !ReachedMaxSteps()) {
    const Batch* next = loader_->Next();
    if (next == nullptr) break;
    const Batch& batch = *next;
    const double loss = TrainBatch(batch);
    state_.loss_sum += loss;
    ++state_.batch;
    images += static_cast<int64_t>(batch.items.size());
    progress.SetNote(absl::StrFormat("loss %.3f", loss));
    progress.Advance(static_cast<int64_t>(batch.items.size()));
    const bool last = state_.batch == batches_per_epoch_;
    if (state_.batch % accumulate != 0 && !last) continue;
    OptimizerStep();
    if (options_.stop != nullptr && options_.stop->load()) {
      SaveCheckpoint();
      Throw(absl::StatusCode::kCancelled, "interrupted at step ", state_.step,
            "; go on with --resume --run ", run_.root.string());
    }
    const int every = config_.train().checkpoint_every_steps();
    if (every > 0 && state_.step % every == 0 && !last) SaveCheckpoint();
  }
  summary_.seconds += SecondsSince(begin);
  images_done_ += images;
  board_->Scalar("train/images_per_s", state_.step,
                 static_cast<double>(images) / SecondsSince(begin));
}

std::vector<MetricResult> Trainer::Validate() {
  average_->Swap();
  network_->eval();
  const at::Tensor embeddings = EmbedPhotos(*network_, *val_loader_, config_, device_);
  average_->Swap();
  const auto n = static_cast<int64_t>(data_.val.labels.size());
  return EvaluateLeaveOneOut(
             {embeddings.const_data_ptr<float>(), static_cast<size_t>(embeddings.numel())}, n,
             network_->dim(), data_.val.labels, metric_names_)
      .metrics;
}

NamedTensors Trainer::ModelAndLossWeights() const {
  NamedTensors weights = WeightsOf(*network_);
  weights.merge(WeightsOf(*loss_, kLossPrefix));
  return weights;
}

void Trainer::KeepBest(const std::vector<MetricResult>& metrics) {
  for (const MetricResult& metric : metrics) {
    if (metric.name != config_.validation().best_by()) continue;
    if (state_.best_epoch >= 0 && metric.value <= state_.best) return;
    state_.best = metric.value;
    state_.best_epoch = state_.epoch + 1;
  }
  average_->Swap();
  WriteSafetensors(run_.best(),
                   {ModelAndLossWeights(), {{"fluke.epoch", std::to_string(state_.epoch + 1)}}});
  average_->Swap();
}

void Trainer::RequireFiniteWeights() const {
  for (const auto& [name, tensor] : ModelAndLossWeights()) {
    if (!tensor.is_floating_point() || at::isfinite(tensor).all().item<bool>()) continue;
    Throw(absl::StatusCode::kAborted, "weight ", name, " is not finite after step ", state_.step,
          std::filesystem::exists(run_.last())
              ? StrCat("; the last good checkpoint is ", run_.last().string())
              : std::string("; no checkpoint had been written yet"));
  }
}

void Trainer::SaveCheckpoint() {
  RequireFiniteWeights();
  Safetensors checkpoint{WeightsOf(*network_, kModelPrefix), {{kStateKey, state_.ToJson()}}};
  checkpoint.tensors.merge(WeightsOf(*loss_, kLossPrefix));
  checkpoint.tensors.merge(WithPrefix(optimizer_->State(), kOptimizerPrefix));
  checkpoint.tensors.merge(average_->State(kAveragePrefix));
  WriteSafetensors(run_.last(), checkpoint);
}

// Validates, writes a row of metrics.csv, keeps the best weights and saves the checkpoint, in this
// order: a run killed in between goes on from the checkpoint before and writes the same again.
void Trainer::FinishEpoch() {
  RequireFiniteWeights();
  const double lr = schedule_row_->lr_at(schedule_, std::max<int64_t>(0, state_.step - 1));
  summary_.loss = state_.loss_sum / static_cast<double>(std::max<int64_t>(1, state_.batch));
  const bool last = state_.epoch + 1 == config_.train().epochs() || ReachedMaxSteps();
  const bool validate =
      HasValidation() && (last || (state_.epoch + 1) % config_.validation().every_epochs() == 0);
  std::vector<MetricResult> metrics;
  if (validate) {
    metrics = Validate();
    KeepBest(metrics);
  }
  std::vector<std::string> row{std::to_string(state_.epoch + 1), std::to_string(state_.step),
                               Number(lr), Number(summary_.loss)};
  std::string shown;
  for (size_t i = 0; HasValidation() && i < metric_names_.size(); ++i) {
    row.push_back(validate ? Number(metrics[i].value) : "");
    if (!validate) continue;
    board_->Scalar("val/" + metric_names_[i], state_.step, metrics[i].value);
    shown += absl::StrFormat(", %s %.4f", metric_names_[i], metrics[i].value);
  }
  board_->Scalar("train/loss", state_.step, summary_.loss);
  board_->Scalar("train/lr", state_.step, lr);
  LogInfo(absl::StrFormat("epoch %d/%d: loss %.4f%s, %.1f images/s", state_.epoch + 1,
                          config_.train().epochs(), summary_.loss, shown,
                          static_cast<double>(images_done_) / std::max(summary_.seconds, 1e-9)));
  state_.metric_rows.push_back(CsvLine(row));
  WriteFileAtomically(run_.metrics(), absl::StrJoin(state_.metric_rows, ""));
  ++state_.epoch;
  state_.batch = 0;
  state_.loss_sum = 0;
  SaveCheckpoint();
}

TrainSummary Trainer::Run() {
  SetThreads(config_.train().threads());
  OpenData();
  BuildNetwork();
  loader_ = MakeTrainLoader(data_.train, input_, config_, source_);
  loader_->Start(0);
  if (HasValidation()) val_loader_ = MakeEvaluationLoader(data_.val, input_, config_);
  batches_per_epoch_ = loader_->batches();
  if (batches_per_epoch_ == 0) {
    InvalidArgument(source_.Where("train.batch_size"), ": ", data_.train.labels.size(),
                    " photographs do not fill one batch of ", config_.train().batch_size());
  }
  const int64_t steps_per_epoch =
      (batches_per_epoch_ + config_.train().accumulate() - 1) / config_.train().accumulate();
  schedule_row_ = &Find(Schedules(), "schedule", config_.schedule().name());
  schedule_ = {.lr = config_.optimizer().lr(),
               .final_lr = config_.schedule().final_lr(),
               .warmup_steps = std::llround(config_.schedule().warmup_epochs() *
                                            static_cast<double>(steps_per_epoch)),
               .total_steps = steps_per_epoch * config_.train().epochs()};
  std::vector<std::string> header{"epoch", "step", "lr", "loss"};
  if (HasValidation()) header.insert(header.end(), metric_names_.begin(), metric_names_.end());
  state_.metric_rows = {CsvLine(header)};
  state_.config_yaml = ConfigToYaml(config_);

  const bool has_checkpoint = std::filesystem::exists(run_.last());
  if (has_checkpoint && !options_.resume) {
    Throw(absl::StatusCode::kAlreadyExists, run_.root.string(),
          " holds a run already; go on with --resume or give another --run");
  }
  std::filesystem::create_directories(run_.checkpoints());
  if (has_checkpoint) Resume();
  WriteFileAtomically(run_.config(), state_.config_yaml);
  if (!has_checkpoint && options_.begun) options_.begun();
  std::string classes = CsvLine({"label", "identity"});
  for (size_t i = 0; i < data_.train.identities.size(); ++i) {
    classes += CsvLine({std::to_string(i), data_.train.identities[i]});
  }
  WriteFileAtomically(run_.classes(), classes);
  board_ = std::make_unique<TensorBoardWriter>(run_.root);

  while (state_.epoch < config_.train().epochs() && !ReachedMaxSteps()) {
    TrainEpoch();
    FinishEpoch();
  }
  if (HasValidation()) {
    WriteSafetensors(run_.model(), {ModelWeights(ReadSafetensors(run_.best()).tensors), {}});
  } else {
    average_->Swap();
    WriteSafetensors(run_.model(), {WeightsOf(*network_), {}});
    average_->Swap();
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  summary_.peak_rss_mb = static_cast<double>(usage.ru_maxrss) / 1e3;
  summary_.steps = state_.step;
  summary_.images_per_s = static_cast<double>(images_done_) / std::max(summary_.seconds, 1e-9);
  summary_.best = HasValidation() ? state_.best : std::numeric_limits<double>::quiet_NaN();
  summary_.best_epoch = state_.best_epoch;
  return summary_;
}

}  // namespace

TrainSummary Train(const fluke::v1::TrainConfig& config, const ConfigSource& source,
                   const TrainOptions& options) {
  return Trainer(config, source, options).Run();
}

}  // namespace fluke::train
