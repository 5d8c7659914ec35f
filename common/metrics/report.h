// What an evaluation found: a value for every query that counted and metric, and their means.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace fluke {

struct MetricResult {
  std::string name;  // "recall@5"
  double value = 0;
};

struct MetricReport {
  std::vector<MetricResult> metrics = {};  // 0 when no query counted
  int64_t queries = 0;                     // that counted
  int64_t dropped_queries = 0;             // no relevant item in the gallery, or unknown themselves
  std::vector<int64_t> counted = {};       // numbers of the queries that counted, ascending
  std::vector<double> values = {};         // counted.size() x metrics.size()

  // The values of metric number `m`, in the order of `counted`.
  std::vector<double> Column(size_t m) const;
};

// Sets queries and the means of `values`, summed in the order of the queries.
void SetMeans(std::span<const std::string> names, MetricReport* report);

struct MacroMeans {
  std::vector<MetricResult> metrics;
  std::vector<int64_t> groups;  // in ascending order
  std::vector<double> values;   // groups.size() x metrics.size(): means of a group's queries
};

// Every group (identity) weighs the same: the mean over groups of the mean over their queries.
// group_of: one for every query, indexed by the numbers in report.counted.
MacroMeans MeansByGroup(const MetricReport& report, std::span<const int64_t> group_of);

}  // namespace fluke
