// fluke runs: what runs there are, how they differ, and the same again.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <set>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "cli/run_record.h"
#include "cli/train_config.h"
#include "cli/verbs.h"
#include "common/error.h"
#include "train/run_folder.h"
#include "train/trainer.h"

namespace fluke::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct RunsArguments {
  std::string folder;
  std::vector<std::string> runs;
  std::string metric;
  std::string run;
  bool any_data = false;
  bool json = false;
};

ordered_json RunJson(const RunSummary& run) {
  return {{"run", run.run.string()},
          {"finished", run.finished},
          {"epochs", run.epochs},
          {"best", run.best},
          {"git_commit", run.record.git_commit},
          {"data_fingerprint", run.record.data_fingerprint},
          {"command", run.record.command},
          {"folder", run.record.folder}};
}

void Print(const std::vector<RunSummary>& runs, const RunsArguments& arguments) {
  const auto difference = ConfigDifference(runs);
  if (arguments.json) {
    ordered_json rows = ordered_json::array();
    for (size_t i = 0; i < runs.size(); ++i) {
      ordered_json row = RunJson(runs[i]), config = ordered_json::object();
      for (const auto& [field, values] : difference) config[field] = values[i];
      row["config"] = config;
      rows.push_back(row);
    }
    std::cout << rows.dump() << "\n";
    return;
  }
  std::set<std::string> metrics;
  int width = 4;
  for (const RunSummary& run : runs) {
    width = std::max(width, static_cast<int>(run.run.string().size()));
    for (const auto& [name, value] : run.best) metrics.insert(name);
  }
  std::cout << absl::StrFormat("%-*s %-8s %6s %-8s %-8s", width, "run", "state", "epochs", "commit",
                               "data");
  for (const std::string& metric : metrics) std::cout << absl::StrFormat(" %12s", metric);
  std::cout << "\n";
  for (const RunSummary& run : runs) {
    std::cout << absl::StrFormat(
        "%-*s %-8s %6d %-8s %-8s", width, run.run.string(), run.finished ? "finished" : "begun",
        run.epochs, run.record.git_commit.substr(0, 8), run.record.data_fingerprint.substr(0, 8));
    for (const std::string& metric : metrics) {
      const auto found = run.best.find(metric);
      std::cout << (found == run.best.end() ? absl::StrFormat(" %12s", "-")
                                            : absl::StrFormat(" %12.4f", found->second));
    }
    std::cout << "\n";
  }
  if (!difference.empty()) std::cout << "\ndifferent in their configs\n";
  for (const auto& [field, values] : difference) {
    std::cout << "  " << field << "\n";
    for (size_t i = 0; i < runs.size(); ++i) {
      std::cout << absl::StrFormat("    %-*s %s\n", width, runs[i].run.string(),
                                   values[i].empty() ? "-" : values[i]);
    }
  }
}

void ListRuns(const RunsArguments& arguments) {
  std::vector<RunSummary> runs = ReadRunsBelow(arguments.folder);
  if (runs.empty()) NotFound(arguments.folder, ": no runs in or below this folder");
  if (!arguments.metric.empty()) {
    const double sign = arguments.metric == "loss" ? -1 : 1;
    const auto value = [&](const RunSummary& run) {
      const auto found = run.best.find(arguments.metric);
      return found == run.best.end() ? -INFINITY : sign * found->second;
    };
    if (std::none_of(runs.begin(), runs.end(),
                     [&](const RunSummary& run) { return run.best.contains(arguments.metric); }))
      InvalidArgument("no run in ", arguments.folder, " has the metric '", arguments.metric, "'");
    std::stable_sort(runs.begin(), runs.end(),
                     [&](const RunSummary& a, const RunSummary& b) { return value(a) > value(b); });
  }
  Print(runs, arguments);
}

void CompareRuns(const RunsArguments& arguments) {
  std::vector<RunSummary> runs;
  for (const std::string& run : arguments.runs) runs.push_back(ReadRun(run));
  Print(runs, arguments);
}

// The run's own config, which is complete, on data that must be what it was.
void Reproduce(const RunsArguments& arguments) {
  const RunSummary before = ReadRun(arguments.runs.at(0));
  fluke::v1::TrainConfig config;
  const ConfigSource source = LoadTrainConfig(train::RunFolder{before.run}.config(), {}, &config);
  RunRecord record = RecordOf(config);
  record.command = before.record.command;
  if (!before.record.data_fingerprint.empty() &&
      record.data_fingerprint != before.record.data_fingerprint && !arguments.any_data) {
    Throw(absl::StatusCode::kFailedPrecondition, config.data().manifest(),
          ": its rows are not those that ", before.run, " was trained on (",
          record.data_fingerprint, ", then ", before.record.data_fingerprint,
          "); --any-data trains all the same");
  }
  train::Train(config, source,
               {.run = arguments.run, .resume = true, .stop = StopOnSignals(), .begun = [&] {
                  WriteRunRecord(arguments.run, record);
                }});
  Print({before, ReadRun(arguments.run)}, arguments);
}

struct RunsPart {
  const char* name;
  const char* help;
  const char* example;
  void (*run)(const RunsArguments& arguments);
};

}  // namespace

void DeclareRuns(CLI::App& verb) {
  verb.require_subcommand(1);
  const auto arguments = std::make_shared<RunsArguments>();
  const auto declare = [&](const RunsPart& part) {
    CLI::App* sub = verb.add_subcommand(part.name, part.help);
    sub->footer("Example:\n  " + std::string(part.example));
    sub->add_flag("--json", arguments->json, "print one JSON document");
    sub->callback([arguments, run = part.run] { run(*arguments); });
    return sub;
  };
  CLI::App* list =
      declare({"list", "runs in a folder: state, commit, data, best metrics, differences",
               "fluke runs list runs --by recall@1", ListRuns});
  list->add_option("folder", arguments->folder, "looked through with all below")->required();
  list->add_option("--by", arguments->metric, "best first by this column of metrics.csv");
  CLI::App* compare = declare(
      {"compare", "the same for some runs", "fluke runs compare runs/a runs/b", CompareRuns});
  compare->add_option("runs", arguments->runs, "run folders")->required()->expected(2, 100);
  CLI::App* reproduce = declare({"reproduce", "train again with a run's config and data",
                                 "fluke runs reproduce runs/a --run runs/a_again", Reproduce});
  reproduce->add_option("of", arguments->runs, "run folder")->required()->expected(1);
  reproduce->add_option("--run", arguments->run, "run folder to write; goes on where it was ended")
      ->required();
  reproduce->add_flag("--any-data", arguments->any_data, "also where the manifest has changed");
}

}  // namespace fluke::cli
