// fluke tune: searches for good values of config fields, every trial a run of `fluke train`.
//
//   STUDY/study.db        the trials (tune_study.h)
//   STUDY/trial_00001/    the run folder of a trial, and train.log, what it said
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <thread>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "cli/train_config.h"
#include "cli/tune_study.h"
#include "cli/tune_worker.h"
#include "cli/verbs.h"
#include "common/curation/plots.h"
#include "common/error.h"
#include "common/files.h"
#include "common/log.h"
#include "common/table.h"
#include "common/tune/importance.h"

namespace fluke::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr auto kPollInterval = std::chrono::milliseconds(200);
constexpr int kFailuresAllowed = 3;  // before any trial has ended well

struct TuneArguments {
  std::string config;
  std::string space;
  std::string study;
  std::vector<std::string> overrides;
  int trials = 20;
  int workers = 1;
  std::string sampler = "tpe";
  std::string pruner = "hyperband";
  std::string metric;
  uint64_t seed = 1;
  std::string html;
  bool json = false;
};

class Tuner {
 public:
  explicit Tuner(const TuneArguments& arguments)
      : arguments_(arguments),
        root_(fs::absolute(arguments.study)),
        sampler_(Find(SamplerKinds(), "sampler", arguments.sampler)),
        pruner_(Find(PrunerKinds(), "pruner", arguments.pruner)),
        space_text_(ReadFile(arguments.space)),
        space_(ParseSearchSpace(space_text_, arguments.space)) {
    LoadTrainConfig(arguments.config, arguments.overrides, &config_);
    metric_ = arguments.metric.empty() ? config_.validation().best_by() : arguments.metric;
    sign_ = metric_ == "loss" ? -1 : 1;
    CheckSpace();
    MakeFolder(root_);
    study_ = std::make_unique<TuneStudy>(
        root_ / "study.db",
        StrCat("metric ", metric_, "\n", space_text_, "\n", ConfigToYaml(config_)));
  }

  // Until there are so many trials; those that a killed process left running come first.
  void Run() {
    const std::atomic<bool>* stop = StopOnSignals();
    std::vector<StudyTrial> left;
    for (StudyTrial& trial : study_->Trials()) {
      if (trial.state == "running") left.push_back(std::move(trial));
    }
    std::reverse(left.begin(), left.end());
    bool stopping = false;
    while (true) {
      while (!stopping && workers_.size() < static_cast<size_t>(arguments_.workers)) {
        if (!left.empty()) {
          Start(left.back().number, left.back().positions);
          left.pop_back();
        } else if (static_cast<int>(study_->Trials().size()) < arguments_.trials) {
          StartNew();
        } else {
          break;
        }
      }
      if (workers_.empty()) break;
      std::this_thread::sleep_for(kPollInterval);
      if (*stop && !stopping) {
        stopping = true;
        for (const auto& worker : workers_) worker->Stop();
      }
      std::erase_if(workers_, [&](auto& worker) { return Look(*worker, stopping); });
    }
    if (stopping) {
      Throw(absl::StatusCode::kCancelled, "stopped; the same command goes on with the study ",
            arguments_.study);
    }
  }

  ordered_json Report() {
    const std::vector<StudyTrial> trials = study_->Trials();
    const std::vector<CurveOfTrial> curves = study_->Curves(sign_);
    std::vector<ordered_json> rows;
    ordered_json importance = ordered_json::object();
    for (size_t i = 0; i < trials.size(); ++i) {
      const LearningCurve& values = curves[i].values;
      const auto best = std::max_element(values.begin(), values.end(),
                                         [](auto& a, auto& b) { return a.second < b.second; });
      ordered_json parameters = ordered_json::object();
      for (size_t p = 0; p < space_.size(); ++p)
        parameters[space_[p].name] = ValueAt(space_[p], trials[i].positions[p]);
      rows.push_back(ordered_json{
          {"trial", trials[i].number},
          {"state", trials[i].state},
          {"value", best == values.end() ? ordered_json() : ordered_json(sign_ * best->second)},
          {"best_epoch", best == values.end() ? 0 : best->first},
          {"epochs", values.empty() ? 0 : values.rbegin()->first},
          {"seconds", trials[i].seconds},
          {"run", RunOf(trials[i].number).string()},
          {"parameters", parameters}});
      if (!trials[i].note.empty()) rows.back()["note"] = trials[i].note;
    }
    std::stable_sort(rows.begin(), rows.end(), [&](const auto& a, const auto& b) {
      const auto key = [&](const ordered_json& row) {
        return row["value"].is_null() ? -1e300 : sign_ * row["value"].get<double>();
      };
      return key(a) > key(b);
    });
    for (const ParameterImportance& one : Importance(space_, ResultsOf(trials, curves)))
      importance[one.name] = one.share;
    return {{"study", arguments_.study},
            {"metric", metric_},
            {"trials", rows},
            {"importance", importance}};
  }

 private:
  // A wrong field or value is told before the first trial: each value at the ends is tried on the
  // config.
  void CheckSpace() const {
    for (const Parameter& parameter : space_) {
      for (double position : {0.0, 1.0}) {
        std::vector<std::string> overrides = arguments_.overrides;
        overrides.push_back(StrCat(parameter.name, "=", ValueAt(parameter, position)));
        fluke::v1::TrainConfig config;
        LoadTrainConfig(arguments_.config, overrides, &config);
      }
    }
  }

  fs::path RunOf(int64_t trial) const { return root_ / absl::StrFormat("trial_%05d", trial); }

  void StartNew() {
    const std::vector<TrialResult> results = ResultsOf(study_->Trials(), study_->Curves(sign_));
    const auto number = static_cast<int64_t>(study_->Trials().size()) + 1;
    const std::vector<double> positions = sampler_.sample(space_, results, arguments_.seed, number);
    Start(study_->Begin(positions), positions);
  }

  void Start(int64_t trial, const std::vector<double>& positions) {
    std::vector<std::string> argv = {"/proc/self/exe", "train",
                                     fs::absolute(arguments_.config).string(),
                                     StrCat("--run=", RunOf(trial)), "--resume"};
    std::string shown;
    const auto set = [&](const std::string& override) { argv.push_back("--set=" + override); };
    for (const std::string& override : arguments_.overrides) set(override);
    for (size_t i = 0; i < space_.size(); ++i) {
      set(StrCat(space_[i].name, "=", ValueAt(space_[i], positions[i])));
      shown += StrCat(" ", space_[i].name, "=", ValueAt(space_[i], positions[i]));
    }
    LogInfo(StrCat("trial ", trial, ":", shown));
    workers_.push_back(std::make_unique<TuneWorker>(trial, RunOf(trial), std::move(argv)));
  }

  // Takes note of what a worker has done; true when it is over.
  bool Look(TuneWorker& worker, bool stopping) {
    const std::optional<int> status = worker.TryWait();
    for (const auto& [epoch, value] : worker.NewValues(metric_)) {
      study_->Report(worker.trial(), epoch, value);
      if (status || worker.pruned || stopping) continue;
      const std::vector<CurveOfTrial> curves = study_->Curves(sign_);
      if (!pruner_.prune(worker.trial(), curves, config_.train().epochs())) continue;
      worker.pruned = true;
      worker.Stop();
    }
    if (!status) return false;
    const bool done = WIFEXITED(*status) && WEXITSTATUS(*status) == 0;
    if (stopping && !done && !worker.pruned) return true;  // stays running: goes on another time
    const std::string state = done ? "done" : worker.pruned ? "pruned" : "failed";
    const std::string note = state == "failed" ? worker.LastLine() : "";
    study_->End(worker.trial(), state, worker.seconds(), note);
    LogInfo(StrCat("trial ", worker.trial(), " ", state, note.empty() ? "" : ": ", note));
    failures_ += state == "failed";
    successes_ += state != "failed";
    if (successes_ == 0 && failures_ >= kFailuresAllowed) {
      Throw(absl::StatusCode::kFailedPrecondition, "the first ", failures_,
            " trials failed, the last one: ", note);
    }
    return true;
  }

  const TuneArguments& arguments_;
  const fs::path root_;
  const SamplerKind& sampler_;
  const PrunerKind& pruner_;
  const std::string space_text_;
  const std::vector<Parameter> space_;
  fluke::v1::TrainConfig config_;
  std::string metric_;
  double sign_ = 1;
  std::unique_ptr<TuneStudy> study_;
  std::vector<std::unique_ptr<TuneWorker>> workers_;
  int failures_ = 0, successes_ = 0;
};

void WritePage(const std::string& path, const ordered_json& report) {
  PlotSeries trials{.name = "trials", .points = {}, .line = false},
      best{.name = "best so far", .points = {}};
  std::vector<ordered_json> in_order(report["trials"].begin(), report["trials"].end());
  std::sort(in_order.begin(), in_order.end(), [](const ordered_json& a, const ordered_json& b) {
    return a["trial"].get<int>() < b["trial"].get<int>();
  });
  const bool smaller = report["metric"] == "loss";
  for (const ordered_json& row : in_order) {
    if (row["value"].is_null()) continue;
    const double number = row["trial"].get<double>(), value = row["value"].get<double>();
    trials.points.emplace_back(number, value);
    const double so_far = best.points.empty() ? value : best.points.back().second;
    best.points.emplace_back(number, smaller ? std::min(so_far, value) : std::max(so_far, value));
  }
  std::vector<Bar> bars;
  for (const auto& [name, share] : report["importance"].items())
    bars.push_back({name, share.get<double>()});
  const std::vector<PlotSeries> series = {best, trials};
  const std::vector<PageSection> sections = {
      {"History", LinesSvg(report["metric"].get<std::string>(), series, "trial", "")},
      {"Importance", BarsSvg("Share of the variance of the results", bars, "%.2f")}};
  WriteHtmlPage(path, "Study " + report["study"].get<std::string>(), sections);
}

void PrintStudy(const ordered_json& report) {
  std::cout << absl::StrFormat("%6s %-8s %10s %7s  parameters\n", "trial", "state",
                               report["metric"].get<std::string>(), "epochs");
  for (const auto& row : report["trials"]) {
    std::string parameters;
    for (const auto& [name, value] : row["parameters"].items())
      parameters += StrCat(name, "=", value.get<std::string>(), " ");
    std::cout << absl::StrFormat(
        "%6d %-8s %10s %7d  %s\n", row["trial"].get<int>(), row["state"].get<std::string>(),
        row["value"].is_null() ? "-" : absl::StrFormat("%.4f", row["value"].get<double>()),
        row["epochs"].get<int>(), parameters);
  }
  std::cout << "\nimportance (share of the variance between a parameter's values)\n";
  for (const auto& [name, share] : report["importance"].items())
    std::cout << absl::StrFormat("  %-28s %.2f\n", name, share.get<double>());
}

void RunTune(const TuneArguments& arguments) {
  Tuner tuner(arguments);
  tuner.Run();
  const ordered_json report = tuner.Report();
  if (!arguments.html.empty()) WritePage(arguments.html, report);
  if (arguments.json) {
    std::cout << report.dump() << "\n";
  } else {
    PrintStudy(report);
  }
}

}  // namespace

void DeclareTune(CLI::App& verb) {
  const auto arguments = std::make_shared<TuneArguments>();
  verb.add_option("config", arguments->config, "YAML file, as for fluke train")->required();
  verb.add_option(
          "--space", arguments->space,
          "YAML file of what may change: optimizer.lr: {min: 1e-4, max: 1e-2, log: true}, "
          "train.batch_size: {min: 16, max: 64, step: 16}, model.backbone: [conv4, resnet18]")
      ->required();
  verb.add_option("--study", arguments->study,
                  "folder to write: study.db and a run folder a trial; the same command goes on")
      ->required();
  verb.add_option("--trials", arguments->trials, "so many in all, those of before counted")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_option("--workers", arguments->workers, "trainings at a time")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  verb.add_option("--sampler", arguments->sampler, StrJoin(Names(SamplerKinds()), " or "))
      ->capture_default_str();
  verb.add_option("--pruner", arguments->pruner, StrJoin(Names(PrunerKinds()), ", "))
      ->capture_default_str();
  verb.add_option(
      "--metric", arguments->metric,
      "column of metrics.csv, larger is better but for loss; validation.best_by otherwise");
  verb.add_option("--set", arguments->overrides, "override a field of every trial")
      ->take_all()
      ->allow_extra_args(false);
  verb.add_option("--seed", arguments->seed, "of the sampler")->capture_default_str();
  verb.add_option("--html", arguments->html, "page to write: history and importance");
  verb.add_flag("--json", arguments->json, "print the report as one JSON document");
  verb.callback([arguments] { RunTune(*arguments); });
}

}  // namespace fluke::cli
