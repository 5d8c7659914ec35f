#include "cli/tune_study.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "common/error.h"

namespace fluke::cli {
namespace {

// Exact, as text: the database's own layer knows integers and texts.
std::string NumberText(double value) { return absl::StrFormat("%.17g", value); }

double NumberOf(const std::string& text) {
  double value = 0;
  if (!absl::SimpleAtod(text, &value)) DataLoss("study: '", text, "' is no number");
  return value;
}

}  // namespace

TuneStudy::TuneStudy(const std::filesystem::path& file, const std::string& plan) : database_(file) {
  database_.ExecuteScript(
      "CREATE TABLE IF NOT EXISTS study (plan TEXT NOT NULL);"
      "CREATE TABLE IF NOT EXISTS trial (number INTEGER PRIMARY KEY, state TEXT NOT NULL, "
      "positions TEXT NOT NULL, seconds TEXT NOT NULL, note TEXT NOT NULL);"
      "CREATE TABLE IF NOT EXISTS report (trial INTEGER, epoch INTEGER, value TEXT NOT NULL, "
      "PRIMARY KEY (trial, epoch));");
  std::string begun;
  {
    auto rows = database_.Query("SELECT plan FROM study");
    if (rows.Next()) begun = rows.Text(0);
  }
  if (begun.empty()) {
    database_.Execute("INSERT INTO study VALUES (?)", plan);
  } else if (begun != plan) {
    Throw(
        absl::StatusCode::kFailedPrecondition, file,
        ": the study was begun with another config, space or metric; go on with the same, or give "
        "another --study");
  }
}

std::vector<StudyTrial> TuneStudy::Trials() {
  std::vector<StudyTrial> trials;
  {
    auto rows = database_.Query(
        "SELECT number, state, positions, seconds, note FROM trial ORDER BY number");
    while (rows.Next()) {
      StudyTrial trial{.number = rows.Integer(0), .state = rows.Text(1)};
      trial.positions = nlohmann::json::parse(rows.Text(2)).get<std::vector<double>>();
      trial.seconds = NumberOf(rows.Text(3));
      trial.note = rows.Text(4);
      trials.push_back(std::move(trial));
    }
  }
  return trials;
}

std::vector<CurveOfTrial> TuneStudy::Curves(double sign) {
  std::vector<CurveOfTrial> curves;
  for (const StudyTrial& trial : Trials()) {
    CurveOfTrial curve{.trial = trial.number, .finished = trial.state == "done"};
    auto rows = database_.Query("SELECT epoch, value FROM report WHERE trial = ?", trial.number);
    while (rows.Next())
      curve.values[static_cast<int>(rows.Integer(0))] = sign * NumberOf(rows.Text(1));
    curves.push_back(std::move(curve));
  }
  return curves;
}

int64_t TuneStudy::Begin(const std::vector<double>& positions) {
  nlohmann::json list = positions;
  database_.Execute("INSERT INTO trial (state, positions, seconds, note) VALUES (?, ?, ?, ?)",
                    std::string_view("running"), list.dump(), std::string_view("0"),
                    std::string_view(""));
  return database_.last_row();
}

void TuneStudy::Report(int64_t trial, int epoch, double value) {
  database_.Execute("INSERT OR REPLACE INTO report VALUES (?, ?, ?)", trial, int64_t{epoch},
                    NumberText(value));
}

void TuneStudy::End(int64_t trial, const std::string& state, double seconds,
                    const std::string& note) {
  database_.Execute("UPDATE trial SET state = ?, seconds = ?, note = ? WHERE number = ?", state,
                    NumberText(seconds), note, trial);
}

std::vector<TrialResult> ResultsOf(const std::vector<StudyTrial>& trials,
                                   const std::vector<CurveOfTrial>& curves) {
  std::vector<TrialResult> results;
  for (size_t i = 0; i < trials.size(); ++i) {
    const LearningCurve& values = curves[i].values;
    if ((trials[i].state != "done" && trials[i].state != "pruned") || values.empty()) continue;
    TrialResult result{.positions = trials[i].positions};
    result.value = values.rbegin()->second;
    if (trials[i].state == "pruned") {
      result.pruned_at = values.rbegin()->first;
    } else {
      for (const auto& [epoch, value] : values) result.value = std::max(result.value, value);
    }
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace fluke::cli
