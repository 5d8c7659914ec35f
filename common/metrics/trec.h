// trec_eval's measures over graded judgements, by its rules: every measure that `trec_eval -m
// all_trec` prints, per topic and over all of them.
//
// Rules: grade 1 and more is relevant, 0 judged and not relevant; a document without a judgement
// counts as not relevant, but for the measures that say otherwise. Gains are the grades.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/metrics/report.h"

namespace fluke {

// Other negative grades count as not judged, too; roxford.h tells them apart.
inline constexpr int kUnjudged = std::numeric_limits<int>::min();

// One topic: what was retrieved and what the judgements hold in all.
struct JudgedRanking {
  std::string topic;
  std::vector<int> grades;            // retrieved documents, best first; negative: not judged
  std::vector<int64_t> level_counts;  // judged documents by grade: 0, 1, 2 ...

  int64_t relevant() const;      // judged documents of grade 1 and more
  int64_t not_relevant() const;  // judged documents of grade 0
};

// How the value over all topics comes of the topics' values.
enum class TrecAggregate { kSum, kMean, kGeometricMean };

struct TrecMeasureRow {
  std::string_view name;  // without a cutoff: "P"
  TrecAggregate aggregate;
  std::span<const double> cutoffs;  // those that are printed: P_5, P_10 ...; empty: it takes none
  bool is_fraction;                 // cutoffs of recall, not of places: "iprec_at_recall_0.10"
  bool is_official;                 // printed where no measure is asked for
  // Of a geometric mean: the value itself, at least kGeometricFloor in the mean.
  double (*value)(const JudgedRanking& ranking, double cutoff);
  std::string_view help;
};

inline constexpr double kGeometricFloor = 1e-5;

// In the order in which trec_eval prints them.
std::span<const TrecMeasureRow> TrecMeasures();

struct AskedTrecMeasure {
  std::string name;  // "P_5"
  const TrecMeasureRow* row = nullptr;
  double cutoff = 0;
};

// "official", "all_trec", "P" (all its cutoffs), "P_5", "P.5" or "P_5.25". Throws InvalidArgument
// for an unknown name or an impossible cutoff.
std::vector<AskedTrecMeasure> ParseTrecMeasures(std::span<const std::string> names);

// values: rankings x measures, metrics: over all. Every topic counts.
MetricReport EvaluateTrec(std::span<const JudgedRanking> rankings,
                          std::span<const AskedTrecMeasure> measures);

// The grades of the first ten: '-' not judged, '>' above 9.
std::string RelevanceString(const JudgedRanking& ranking);

// What trec_eval prints: a line "name topic value" a measure, for each topic if `per_topic`, then
// for "all".
std::string TrecTable(const MetricReport& report, std::span<const AskedTrecMeasure> measures,
                      std::span<const JudgedRanking> rankings, std::string_view run_id,
                      bool per_topic);

}  // namespace fluke
