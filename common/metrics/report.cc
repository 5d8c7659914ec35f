#include "common/metrics/report.h"

#include <map>

namespace fluke {

std::vector<double> MetricReport::Column(size_t m) const {
  std::vector<double> column;
  column.reserve(counted.size());
  for (size_t i = m; i < values.size(); i += metrics.size()) column.push_back(values[i]);
  return column;
}

void SetMeans(std::span<const std::string> names, MetricReport* report) {
  report->queries = static_cast<int64_t>(report->counted.size());
  report->metrics.clear();
  for (size_t m = 0; m < names.size(); ++m) {
    double sum = 0;
    for (size_t i = m; i < report->values.size(); i += names.size()) sum += report->values[i];
    const double mean = report->queries == 0 ? 0 : sum / static_cast<double>(report->queries);
    report->metrics.push_back({names[m], mean});
  }
}

MacroMeans MeansByGroup(const MetricReport& report, std::span<const int64_t> group_of) {
  const size_t width = report.metrics.size();
  struct Sums {
    std::vector<double> of_metrics;
    int64_t queries = 0;
  };
  std::map<int64_t, Sums> groups;
  for (size_t i = 0; i < report.counted.size(); ++i) {
    Sums& sums = groups[group_of[report.counted[i]]];
    sums.of_metrics.resize(width);
    ++sums.queries;
    for (size_t m = 0; m < width; ++m) sums.of_metrics[m] += report.values[i * width + m];
  }
  MacroMeans means;
  for (const MetricResult& metric : report.metrics) means.metrics.push_back({metric.name, 0});
  for (const auto& [group, sums] : groups) {
    means.groups.push_back(group);
    for (size_t m = 0; m < width; ++m) {
      means.values.push_back(sums.of_metrics[m] / static_cast<double>(sums.queries));
      means.metrics[m].value += means.values.back();
    }
  }
  for (MetricResult& metric : means.metrics) {
    if (!groups.empty()) metric.value /= static_cast<double>(groups.size());
  }
  return means;
}

}  // namespace fluke
