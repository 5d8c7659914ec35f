#include "serve/jobs/job_report.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include <spdlog/spdlog.h>

#include "absl/strings/numbers.h"
#include "common/csv.h"
#include "common/error.h"
#include "common/files.h"
#include "common/text.h"
#include "serve/jobs/private_paths.h"

namespace fluke::serve {
namespace {

constexpr size_t kMaxPoints = 10'000;
constexpr uint64_t kMaxMetricsBytes = 64 << 20;
constexpr int64_t kMaxTailBytes = 16 << 10;

// Size and time of a file; "-" where there is none.
std::string StampOf(const std::filesystem::path& file) {
  struct stat info = {};
  if (stat(file.c_str(), &info) != 0) return "-";
  return StrCat(info.st_size, "@", info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec);
}

double NumberOf(const std::string& field) {
  double value = NAN;
  return absl::SimpleAtod(field, &value) ? value : NAN;
}

}  // namespace

JobMetrics ReadMetrics(const std::filesystem::path& run) {
  JobMetrics metrics;
  const std::filesystem::path file = run / "metrics.csv";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return metrics;
  try {
    const CsvTable table = ParseCsv(ReadFile(file, kMaxMetricsBytes), file.string());
    const int epoch_column = table.Column("epoch"), step_column = table.Column("step");
    if (epoch_column < 0 || step_column < 0) return metrics;
    for (const CsvRow& row : table.rows) {
      const double epoch = NumberOf(row.fields[static_cast<size_t>(epoch_column)]);
      const double step = NumberOf(row.fields[static_cast<size_t>(step_column)]);
      if (!std::isfinite(epoch) || !(step >= 0 && step < 1e18)) continue;
      metrics.epochs = std::max(metrics.epochs, epoch);
      metrics.steps = std::max(metrics.steps, static_cast<int64_t>(step));
      for (size_t column = 0; column < row.fields.size(); ++column) {
        const double value = NumberOf(row.fields[column]);
        const auto place = static_cast<int>(column);
        if (place == epoch_column || place == step_column || !std::isfinite(value)) continue;
        v1::MetricPoint& point = metrics.points.emplace_back();
        point.set_name(AsPlainText(table.header[column]));
        point.set_step(static_cast<int64_t>(step));
        point.set_epoch(epoch);
        point.set_value(value);
      }
    }
  } catch (const Error& error) {
    spdlog::warn("{}", error.what());
  }
  if (metrics.points.size() > kMaxPoints) {
    metrics.points.erase(metrics.points.begin(),
                         metrics.points.end() - static_cast<int64_t>(kMaxPoints));
  }
  return metrics;
}

std::string ProgressMark(const std::filesystem::path& run) {
  return StrCat(StampOf(run / "metrics.csv"), " ",
                StampOf(run / "checkpoint" / "last.safetensors"));
}

std::string FolderStamp(const JobFolder& folder) {
  return StrCat(ProgressMark(folder.run()), " ", StampOf(folder.log()));
}

std::string LogTail(const JobFolder& folder, int lines, std::span<const std::string> roots) {
  std::ifstream file(folder.log(), std::ios::binary | std::ios::ate);
  if (!file) return "";
  const int64_t size = file.tellg();
  const int64_t begin = std::max<int64_t>(0, size - kMaxTailBytes);
  std::string text(static_cast<size_t>(size - begin), '\0');
  file.seekg(begin);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(0, file.gcount())));
  // A line of which the beginning is missing might show the rest of a path.
  if (begin > 0) text.erase(0, std::min(text.find('\n'), text.size()));
  size_t from = text.size();
  if (from > 0 && text[from - 1] == '\n') --from;
  for (int i = 0; i < lines && from != std::string::npos && from > 0; ++i) {
    from = text.rfind('\n', from - 1);
  }
  if (from != std::string::npos && from < text.size() && text[from] == '\n') {
    text.erase(0, from + 1);
  }
  return WithoutPaths(AsPlainText(text), roots);
}

}  // namespace fluke::serve
