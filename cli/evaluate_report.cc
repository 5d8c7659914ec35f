#include "cli/evaluate_report.h"

#include <cmath>
#include <iostream>
#include <optional>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "cli/evaluate_data.h"
#include "common/csv.h"
#include "common/error.h"
#include "common/files.h"

namespace fluke::cli {
namespace {

bool IsMean(const Outcome& outcome, size_t metric) {
  return outcome.is_mean.empty() || outcome.is_mean[metric];
}

// An individual each, a query of unknown identity for itself.
std::vector<int64_t> IdentityNumbers(const Outcome& outcome, Numbers* numbers) {
  std::vector<int64_t> identities;
  for (size_t q = 0; q < outcome.ids.size(); ++q) {
    const std::string& identity = outcome.identities[q];
    identities.push_back(numbers->Of(identity.empty() ? "\n" + outcome.ids[q] : identity));
  }
  return identities;
}

// Of the queries that counted.
std::vector<int64_t> GroupsOfCounted(const Outcome& outcome) {
  Numbers numbers;
  const std::vector<int64_t> all = IdentityNumbers(outcome, &numbers);
  std::vector<int64_t> groups;
  for (int64_t query : outcome.report.counted) groups.push_back(all[query]);
  return groups;
}

// What is worked out of an outcome's values, where it is asked for.
struct Details {
  std::vector<Interval> intervals;  // one a metric, or empty
  std::optional<MacroMeans> individuals;
};

Details WorkOut(const EvaluateArguments& arguments, const Outcome& outcome) {
  Details details;
  const MetricReport& report = outcome.report;
  if (arguments.bootstrap.resamples > 0) {
    const std::vector<int64_t> groups =
        arguments.per_identity ? GroupsOfCounted(outcome) : std::vector<int64_t>();
    details.intervals = BootstrapMeans(report.values, static_cast<int64_t>(report.metrics.size()),
                                       groups, arguments.bootstrap);
  }
  if (!arguments.per_identity && arguments.per_identity_file.empty()) return details;
  Numbers numbers;
  const std::vector<int64_t> identities = IdentityNumbers(outcome, &numbers);
  details.individuals = MeansByGroup(report, identities);
  if (arguments.per_identity_file.empty()) return details;
  std::vector<std::string> header = {"identity"};
  for (const MetricResult& metric : report.metrics) header.push_back(metric.name);
  std::string csv = CsvLine(header);
  const size_t width = report.metrics.size();
  for (size_t i = 0; i < details.individuals->groups.size(); ++i) {
    std::vector<std::string> line = {numbers.Name(details.individuals->groups[i])};
    for (size_t m = 0; m < width; ++m) {
      line.push_back(absl::StrFormat("%.9g", details.individuals->values[i * width + m]));
    }
    csv += CsvLine(line);
  }
  WriteFileAtomically(arguments.per_identity_file, csv);
  return details;
}

void PrintTable(const EvaluateArguments& arguments, const Outcome& outcome, const Details& details,
                const std::vector<ComparedMetric>& compared) {
  const MetricReport& report = outcome.report;
  for (size_t m = 0; m < report.metrics.size(); ++m) {
    std::cout << absl::StreamFormat("%-16s %.4f", report.metrics[m].name, report.metrics[m].value);
    if (!details.intervals.empty() && IsMean(outcome, m)) {
      std::cout << absl::StreamFormat("  [%.4f, %.4f]", details.intervals[m].low,
                                      details.intervals[m].high);
    }
    if (arguments.per_identity && details.individuals) {
      std::cout << absl::StreamFormat("  per identity %.4f", details.individuals->metrics[m].value);
    }
    std::cout << "\n";
  }
  for (const MetricResult& figure : outcome.figures) {
    const bool is_count = figure.value >= 1 && figure.value == std::floor(figure.value);
    std::cout << (is_count ? absl::StrFormat("%-16s %.0f\n", figure.name, figure.value)
                           : absl::StrFormat("%-16s %.4f\n", figure.name, figure.value));
  }
  std::cout << absl::StreamFormat("%-16s %d\n", "queries", report.queries);
  if (arguments.per_identity && details.individuals) {
    std::cout << absl::StreamFormat("%-16s %d\n", "individuals",
                                    details.individuals->groups.size());
  }
  std::cout << absl::StreamFormat(
      "%-16s %d (no relevant item in the gallery, or of unknown identity)\n", "dropped",
      report.dropped_queries);
  for (const ComparedMetric& metric : compared) {
    const PairedTest& test = metric.test;
    std::cout << absl::StreamFormat(
        "%-16s %.4f against %.4f: %+.4f, p %.4f (randomisation), %.4f (t-test); better %d, worse "
        "%d, equal %d\n",
        metric.name, metric.ours, metric.theirs, test.mean_difference, test.p_randomisation,
        test.p_student, test.better, test.worse, test.equal);
  }
}

void PrintJson(const EvaluateArguments& arguments, const Outcome& outcome, const Details& details,
               const std::vector<ComparedMetric>& compared) {
  using Json = nlohmann::ordered_json;
  const auto object = [](const std::vector<MetricResult>& metrics) {
    Json values = Json::object();
    for (const MetricResult& metric : metrics) values[metric.name] = metric.value;
    return values;
  };
  const MetricReport& report = outcome.report;
  Json document = {{"metrics", object(report.metrics)},
                   {"queries", report.queries},
                   {"dropped_queries", report.dropped_queries}};
  if (arguments.protocol != nullptr) document["protocol"] = std::string(arguments.protocol->name);
  if (!outcome.figures.empty()) document["figures"] = object(outcome.figures);
  if (!details.intervals.empty()) {
    Json intervals = Json::object();
    for (size_t m = 0; m < report.metrics.size(); ++m) {
      if (!IsMean(outcome, m)) continue;
      intervals[report.metrics[m].name] = {details.intervals[m].low, details.intervals[m].high};
    }
    document["confidence"] = arguments.bootstrap.confidence;
    document["intervals"] = intervals;
  }
  if (details.individuals) {
    document["per_identity"] = object(details.individuals->metrics);
    document["individuals"] = details.individuals->groups.size();
  }
  for (const ComparedMetric& metric : compared) {
    const PairedTest& test = metric.test;
    document["comparison"][metric.name] = {{"ours", metric.ours},
                                           {"theirs", metric.theirs},
                                           {"difference", test.mean_difference},
                                           {"p_randomisation", test.p_randomisation},
                                           {"p_student", test.p_student},
                                           {"better", test.better},
                                           {"worse", test.worse},
                                           {"equal", test.equal}};
  }
  std::cout << document.dump() << "\n";
}

}  // namespace

std::vector<ComparedMetric> Compare(const Outcome& ours, const Outcome& theirs,
                                    const BootstrapOptions& options) {
  std::unordered_map<std::string_view, size_t> place_of;  // among theirs that counted
  for (size_t i = 0; i < theirs.report.counted.size(); ++i) {
    place_of.emplace(theirs.ids[theirs.report.counted[i]], i);
  }
  std::vector<std::pair<size_t, size_t>> shared;
  for (size_t i = 0; i < ours.report.counted.size(); ++i) {
    const auto found = place_of.find(ours.ids[ours.report.counted[i]]);
    if (found != place_of.end()) shared.emplace_back(i, found->second);
  }
  if (shared.empty()) InvalidArgument("the two runs have no query in common");
  std::vector<ComparedMetric> compared;
  const size_t our_width = ours.report.metrics.size(), their_width = theirs.report.metrics.size();
  for (size_t m = 0; m < our_width; ++m) {
    for (size_t n = 0; n < their_width; ++n) {
      if (theirs.report.metrics[n].name != ours.report.metrics[m].name) continue;
      if (!IsMean(ours, m) || !IsMean(theirs, n)) continue;
      std::vector<double> a, b;
      for (const auto& [i, j] : shared) {
        a.push_back(ours.report.values[i * our_width + m]);
        b.push_back(theirs.report.values[j * their_width + n]);
      }
      ComparedMetric& metric = compared.emplace_back();
      metric.name = ours.report.metrics[m].name;
      metric.test = ComparePaired(a, b, options);
      for (size_t i = 0; i < a.size(); ++i) {
        metric.ours += a[i] / static_cast<double>(a.size());
        metric.theirs += b[i] / static_cast<double>(a.size());
      }
    }
  }
  if (compared.empty()) InvalidArgument("the two runs have no metric in common");
  return compared;
}

void WritePerQuery(const std::string& path, const Outcome& outcome) {
  const MetricReport& report = outcome.report;
  std::vector<std::string> fields = {"query_id", "query_identity"};
  for (const MetricResult& metric : report.metrics) fields.push_back(metric.name);
  AtomicFile file(path);
  file.Append(CsvLine(fields));
  for (size_t i = 0; i < report.counted.size(); ++i) {
    fields = {outcome.ids[report.counted[i]], outcome.identities[report.counted[i]]};
    for (size_t m = 0; m < report.metrics.size(); ++m) {
      fields.push_back(absl::StrFormat("%.9g", report.values[i * report.metrics.size() + m]));
    }
    file.Append(CsvLine(fields));
  }
  file.Commit();
}

Outcome ReadPerQuery(const std::string& path) {
  const CsvTable table = ReadCsv(path);
  if (table.header.size() < 3 || table.header[0] != "query_id" ||
      table.header[1] != "query_identity") {
    InvalidArgument(path, ":1: expected query_id, query_identity and metrics, as --per-query ",
                    "writes them; found ", StrJoin(table.header, ", "));
  }
  Outcome outcome;
  const std::vector<std::string> names(table.header.begin() + 2, table.header.end());
  for (const CsvRow& row : table.rows) {
    outcome.report.counted.push_back(static_cast<int64_t>(outcome.ids.size()));
    outcome.ids.push_back(row.fields[0]);
    outcome.identities.push_back(row.fields[1]);
    for (size_t m = 0; m < names.size(); ++m) {
      double value = 0;
      if (!absl::SimpleAtod(row.fields[m + 2], &value)) {
        InvalidArgument(path, ":", row.line, ": ", names[m], " is '", row.fields[m + 2],
                        "'; expected a number");
      }
      outcome.report.values.push_back(value);
    }
  }
  SetMeans(names, &outcome.report);
  return outcome;
}

void Report(const EvaluateArguments& arguments, const Outcome& outcome,
            const std::vector<ComparedMetric>& compared) {
  if (!arguments.per_query.empty() && arguments.per_query != "-") {
    WritePerQuery(arguments.per_query, outcome);
  }
  const Details details = WorkOut(arguments, outcome);
  if (arguments.json) {
    PrintJson(arguments, outcome, details, compared);
  } else if (!outcome.table.empty() && compared.empty() && details.intervals.empty()) {
    std::cout << outcome.table;
  } else {
    PrintTable(arguments, outcome, details, compared);
  }
}

}  // namespace fluke::cli
