#include "cli/tune_worker.h"

#include <unistd.h>

#include <cmath>
#include <csignal>

#include "absl/strings/numbers.h"
#include "common/csv.h"
#include "common/error.h"
#include "common/files.h"
#include "train/run_folder.h"

namespace fluke::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr size_t kKeptOutput = 2000;  // bytes, of which the last line is told

}  // namespace

TuneWorker::TuneWorker(int64_t trial, const fs::path& run, std::vector<std::string> argv)
    : trial_(trial), run_(run), begin_(Clock::now()) {
  MakeFolder(run);
  std::optional<serve::FileDescriptor> lock = serve::TryLock(run / "lock");
  if (!lock) Throw(absl::StatusCode::kFailedPrecondition, run, ": this trial still runs");
  log_.open(run / "train.log", std::ios::app);
  child_ = std::make_unique<serve::ChildProcess>(
      serve::ChildOptions{.argv = std::move(argv), .folder = fs::current_path()}, std::move(*lock));
}

double TuneWorker::seconds() const {
  return std::chrono::duration<double>(Clock::now() - begin_).count();
}

void TuneWorker::Stop() { child_->Signal(SIGTERM); }

std::optional<int> TuneWorker::TryWait() {
  const std::optional<int> status = child_->TryWait();
  char text[4096];
  for (ssize_t count; (count = read(child_->output(), text, sizeof(text))) > 0;) {
    log_.write(text, count);
    last_.append(text, static_cast<size_t>(count));
  }
  log_.flush();
  if (last_.size() > kKeptOutput) last_.erase(0, last_.size() - kKeptOutput);
  return status;
}

std::string TuneWorker::LastLine() const {
  const size_t end = last_.find_last_not_of("\r\n");
  if (end == std::string::npos) return "";
  const size_t begin = last_.find_last_of("\r\n", end);
  return last_.substr(begin == std::string::npos ? 0 : begin + 1, end - begin);
}

std::vector<std::pair<int, double>> TuneWorker::NewValues(const std::string& metric) {
  const fs::path file = train::RunFolder{run_}.metrics();
  if (!fs::exists(file)) return {};
  const CsvTable table = ReadCsv(file);
  const int epoch = table.Column("epoch"), value = table.Column(metric);
  if (epoch < 0 || value < 0) {
    InvalidArgument(file, ": no column '", metric, "'; found ", StrJoin(table.header, ", "));
  }
  std::vector<std::pair<int, double>> values;
  for (const CsvRow& row : table.rows) {
    std::pair<int, double> entry;
    if (!absl::SimpleAtoi(row.fields[epoch], &entry.first) || entry.first <= seen_) continue;
    seen_ = entry.first;
    if (absl::SimpleAtod(row.fields[value], &entry.second) && std::isfinite(entry.second))
      values.push_back(entry);
  }
  return values;
}

}  // namespace fluke::cli
