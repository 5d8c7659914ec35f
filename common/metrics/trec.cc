#include "common/metrics/trec.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "common/error.h"
#include "common/table.h"

namespace fluke {
namespace {

constexpr double kMaxCutoff = 1e9;

AskedTrecMeasure WithCutoff(const TrecMeasureRow& row, double cutoff) {
  const std::string name(row.name);
  if (row.cutoffs.empty()) return {name, &row, 0};
  return {row.is_fraction ? absl::StrFormat("%s_%.2f", name, cutoff)
                          : absl::StrFormat("%s_%d", name, static_cast<int64_t>(cutoff)),
          &row, cutoff};
}

void AddAll(const TrecMeasureRow& row, std::vector<AskedTrecMeasure>* asked) {
  if (row.cutoffs.empty()) asked->push_back(WithCutoff(row, 0));
  for (double cutoff : row.cutoffs) asked->push_back(WithCutoff(row, cutoff));
}

double ParseCutoff(const TrecMeasureRow& row, const std::string& text, const std::string& asked) {
  double cutoff = 0;
  const bool is_number = absl::SimpleAtod(text, &cutoff) && std::isfinite(cutoff);
  const bool is_possible =
      row.is_fraction ? cutoff >= 0 && cutoff <= 100
                      : cutoff >= 1 && cutoff <= kMaxCutoff && cutoff == std::floor(cutoff);
  if (!is_number || !is_possible) {
    InvalidArgument("measure '", asked, "': '", text, "' is no cutoff; expected ",
                    row.is_fraction ? "a share such as 0.20" : "a number of places such as 20");
  }
  return cutoff;
}

// "P_5" -> P's cutoff 5; "P" -> all of P's.
void Parse(const std::string& name, std::vector<AskedTrecMeasure>* asked) {
  if (name == "official" || name == "all_trec") {
    for (const TrecMeasureRow& row : TrecMeasures()) {
      if (name == "all_trec" || row.is_official) AddAll(row, asked);
    }
    return;
  }
  const TrecMeasureRow* longest = nullptr;
  for (const TrecMeasureRow& row : TrecMeasures()) {
    if (name == row.name) {
      AddAll(row, asked);
      return;
    }
    const size_t stem = row.name.size();
    if (row.cutoffs.empty() || name.size() <= stem + 1 || name.compare(0, stem, row.name) != 0 ||
        (name[stem] != '_' && name[stem] != '.')) {
      continue;
    }
    if (longest == nullptr || stem > longest->name.size()) longest = &row;
  }
  if (longest == nullptr) {
    InvalidArgument(UnknownName("trec measure", name, Names(TrecMeasures())));
  }
  asked->push_back(
      WithCutoff(*longest, ParseCutoff(*longest, name.substr(longest->name.size() + 1), name)));
}

double Overall(const AskedTrecMeasure& measure, std::span<const double> values) {
  if (values.empty()) return 0;
  const auto count = static_cast<double>(values.size());
  double sum = 0;
  for (double value : values) {
    sum += measure.row->aggregate == TrecAggregate::kGeometricMean
               ? std::log(std::max(value, kGeometricFloor))
               : value;
  }
  switch (measure.row->aggregate) {
    case TrecAggregate::kSum:
      return sum;
    case TrecAggregate::kMean:
      return sum / count;
    case TrecAggregate::kGeometricMean:
      return std::exp(sum / count);
  }
  return 0;
}

std::string Line(std::string_view name, std::string_view topic, std::string_view value) {
  return absl::StrFormat("%-22s\t%s\t%s\n", std::string(name), std::string(topic),
                         std::string(value));
}

std::string ValueText(const AskedTrecMeasure& measure, double value) {
  return measure.row->aggregate == TrecAggregate::kSum ? absl::StrFormat("%.0f", value)
                                                       : absl::StrFormat("%6.4f", value);
}

// The last P_k, where more than the official measures is asked for: relstring stands behind it.
size_t LastPrecision(std::span<const AskedTrecMeasure> measures) {
  size_t last = measures.size();
  bool official_only = true;
  for (size_t m = 0; m < measures.size(); ++m) {
    if (measures[m].row->name == "P") last = m;
    official_only &= measures[m].row->is_official;
  }
  return official_only ? measures.size() : last;
}

}  // namespace

int64_t JudgedRanking::relevant() const {
  return level_counts.empty()
             ? 0
             : std::accumulate(level_counts.begin() + 1, level_counts.end(), int64_t{0});
}

int64_t JudgedRanking::not_relevant() const { return level_counts.empty() ? 0 : level_counts[0]; }

std::vector<AskedTrecMeasure> ParseTrecMeasures(std::span<const std::string> names) {
  if (names.empty()) InvalidArgument("no measure is asked for");
  std::vector<AskedTrecMeasure> asked;
  for (const std::string& name : names) Parse(name, &asked);
  return asked;
}

MetricReport EvaluateTrec(std::span<const JudgedRanking> rankings,
                          std::span<const AskedTrecMeasure> measures) {
  MetricReport report;
  report.queries = static_cast<int64_t>(rankings.size());
  for (size_t q = 0; q < rankings.size(); ++q) {
    report.counted.push_back(static_cast<int64_t>(q));
    for (const AskedTrecMeasure& measure : measures) {
      report.values.push_back(measure.row->value(rankings[q], measure.cutoff));
    }
  }
  for (const AskedTrecMeasure& measure : measures) report.metrics.push_back({measure.name, 0});
  for (size_t m = 0; m < measures.size(); ++m) {
    report.metrics[m].value = Overall(measures[m], report.Column(m));
  }
  return report;
}

std::string RelevanceString(const JudgedRanking& ranking) {
  std::string text;
  for (int grade : std::span(ranking.grades).first(std::min<size_t>(10, ranking.grades.size()))) {
    text += grade < 0 ? '-' : grade > 9 ? '>' : static_cast<char>('0' + grade);
  }
  return text;
}

// trec_eval prints runid and num_q over all topics only, relstring (behind P) of single topics
// only, and no geometric mean of a single topic.
std::string TrecTable(const MetricReport& report, std::span<const AskedTrecMeasure> measures,
                      std::span<const JudgedRanking> rankings, std::string_view run_id,
                      bool per_topic) {
  const size_t relevance_string_at = LastPrecision(measures);
  std::string table;
  for (size_t q = 0; per_topic && q < rankings.size(); ++q) {
    for (size_t m = 0; m < measures.size(); ++m) {
      if (measures[m].row->aggregate == TrecAggregate::kGeometricMean) continue;
      table += Line(measures[m].name, rankings[q].topic,
                    ValueText(measures[m], report.values[q * measures.size() + m]));
      if (m == relevance_string_at) {
        table += Line("relstring", rankings[q].topic, "'" + RelevanceString(rankings[q]) + "'");
      }
    }
  }
  table += Line("runid", "all", run_id);
  table += Line("num_q", "all", std::to_string(rankings.size()));
  for (size_t m = 0; m < measures.size(); ++m) {
    table += Line(measures[m].name, "all", ValueText(measures[m], report.metrics[m].value));
  }
  return table;
}

}  // namespace fluke
