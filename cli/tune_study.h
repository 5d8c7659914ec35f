// A study of `fluke tune`: its trials and what came of them, in one SQLite file that outlives a
// killed run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/tune/pruners.h"
#include "common/tune/samplers.h"
#include "serve/jobs/sqlite_database.h"

namespace fluke::cli {

struct StudyTrial {
  int64_t number = 0;
  std::string state = {};              // running, done, pruned, failed
  std::vector<double> positions = {};  // search_space.h
  double seconds = 0;                  // of the process that ended it
  std::string note = {};               // what failed
};

// Every change is on disk when its function returns. Not thread-safe; one process at a time.
class TuneStudy {
 public:
  // Makes the file, or opens it where `plan` (what the study is about) is the same as then. Throws
  // FailedPrecondition otherwise.
  TuneStudy(const std::filesystem::path& file, const std::string& plan);

  std::vector<StudyTrial> Trials();
  std::vector<CurveOfTrial> Curves(double sign);  // values times sign
  // A new one, running.
  int64_t Begin(const std::vector<double>& positions);
  void Report(int64_t trial, int epoch, double value);
  void End(int64_t trial, const std::string& state, double seconds, const std::string& note);

 private:
  serve::SqliteDatabase database_;
};

// Those that ended, larger better; the best of its epochs, or the last one's where it was pruned.
std::vector<TrialResult> ResultsOf(const std::vector<StudyTrial>& trials,
                                   const std::vector<CurveOfTrial>& curves);

}  // namespace fluke::cli
