// trec_eval's measures, one function each (Voorhees & Harman, TREC; NIST's trec_eval 9 and 10).
#include <algorithm>
#include <cmath>

#include "common/metrics/trec.h"

namespace fluke {
namespace {

bool Relevant(int grade) { return grade > 0; }

double Ratio(double part, double whole) { return whole == 0 ? 0 : part / whole; }

std::span<const int> Top(const JudgedRanking& ranking, double cutoff) {
  const auto places = static_cast<size_t>(cutoff);
  return std::span(ranking.grades).first(std::min(places, ranking.grades.size()));
}

double HitsWithin(const JudgedRanking& ranking, double cutoff) {
  const auto top = Top(ranking, cutoff);
  return static_cast<double>(std::count_if(top.begin(), top.end(), Relevant));
}

double Retrieved(const JudgedRanking& ranking, double = 0) {
  return static_cast<double>(ranking.grades.size());
}
double RelevantCount(const JudgedRanking& ranking, double = 0) {
  return static_cast<double>(ranking.relevant());
}
double RelevantRetrieved(const JudgedRanking& ranking, double = 0) {
  return HitsWithin(ranking, Retrieved(ranking));
}

// --- average precision and its kin

double MapCut(const JudgedRanking& ranking, double cutoff) {
  double hits = 0, sum = 0, place = 0;
  for (int grade : Top(ranking, cutoff)) {
    ++place;
    if (Relevant(grade)) sum += ++hits / place;
  }
  return Ratio(sum, RelevantCount(ranking));
}
double Map(const JudgedRanking& ranking, double) { return MapCut(ranking, Retrieved(ranking)); }

// Yilmaz & Aslam 2006: what AP would be expected to be where not all of the pool is judged.
double InferredAp(const JudgedRanking& ranking, double) {
  constexpr double kEpsilon = 1e-5;
  double relevant = 0, not_relevant = 0, sum = 0;
  for (size_t i = 0; i < ranking.grades.size(); ++i) {
    const int grade = ranking.grades[i];
    if (grade == 0) ++not_relevant;
    if (!Relevant(grade)) continue;
    const auto above = static_cast<double>(i);
    if (i == 0) {
      sum += 1;
    } else {
      const double judged = relevant + not_relevant;
      sum += 1 / (above + 1) + above / (above + 1) * (judged / above) *
                                   ((relevant + kEpsilon) / (judged + 2 * kEpsilon));
    }
    ++relevant;
  }
  return Ratio(sum, RelevantCount(ranking));
}

// Buckley & Voorhees 2004: judged documents that are not relevant, above the relevant ones.
double Bpref(const JudgedRanking& ranking, double) {
  const double relevant = RelevantCount(ranking);
  const double bound = std::min(relevant, static_cast<double>(ranking.not_relevant()));
  double above = 0, sum = 0;
  for (int grade : ranking.grades) {
    if (grade == 0) ++above;
    if (Relevant(grade)) sum += above == 0 ? 1 : 1 - std::min(above, relevant) / bound;
  }
  return Ratio(sum, relevant);
}

double ReciprocalRank(const JudgedRanking& ranking, double) {
  const auto hit = std::find_if(ranking.grades.begin(), ranking.grades.end(), Relevant);
  return hit == ranking.grades.end() ? 0
                                     : 1 / static_cast<double>(hit - ranking.grades.begin() + 1);
}

// --- precision and recall

double Precision(const JudgedRanking& ranking, double cutoff) {
  return HitsWithin(ranking, cutoff) / cutoff;
}
double Recall(const JudgedRanking& ranking, double cutoff) {
  return Ratio(HitsWithin(ranking, cutoff), RelevantCount(ranking));
}
double RelativePrecision(const JudgedRanking& ranking, double cutoff) {
  return Ratio(HitsWithin(ranking, cutoff), std::min(cutoff, RelevantCount(ranking)));
}
double Success(const JudgedRanking& ranking, double cutoff) {
  return HitsWithin(ranking, cutoff) > 0 ? 1 : 0;
}
double RPrecisionMultiple(const JudgedRanking& ranking, double multiple) {
  // Rounded up, but for what is a tenth of a document and less.
  const double place = std::floor(multiple * RelevantCount(ranking) + .9);
  return Ratio(HitsWithin(ranking, place), place);
}
double RPrecision(const JudgedRanking& ranking, double) {
  return Ratio(HitsWithin(ranking, RelevantCount(ranking)), RelevantCount(ranking));
}

// The best precision at this recall or beyond.
double InterpolatedPrecision(const JudgedRanking& ranking, double recall) {
  const double wanted = std::floor(recall * RelevantCount(ranking) + .5);
  double hits = 0, place = 0, best = 0;
  for (int grade : ranking.grades) {
    ++place;
    if (Relevant(grade)) ++hits;
    if (hits >= wanted) best = std::max(best, hits / place);
  }
  return best;
}
double ElevenPointAverage(const JudgedRanking& ranking, double) {
  double sum = 0;
  for (int i = 0; i <= 10; ++i) sum += InterpolatedPrecision(ranking, i / 10.0);
  return sum / 11;
}

// --- sets: the retrieved documents without their order

double SetPrecision(const JudgedRanking& ranking, double) {
  return Ratio(RelevantRetrieved(ranking), Retrieved(ranking));
}
double SetRelativePrecision(const JudgedRanking& ranking, double) {
  return Ratio(RelevantRetrieved(ranking), std::min(Retrieved(ranking), RelevantCount(ranking)));
}
double SetRecall(const JudgedRanking& ranking, double) {
  return Ratio(RelevantRetrieved(ranking), RelevantCount(ranking));
}
double SetMap(const JudgedRanking& ranking, double) {
  return SetPrecision(ranking, 0) * SetRecall(ranking, 0);
}
double SetF(const JudgedRanking& ranking, double) {
  const double precision = SetPrecision(ranking, 0), recall = SetRecall(ranking, 0);
  return Ratio(2 * precision * recall, precision + recall);
}
// 1 for a relevant document retrieved, -1 for another.
double Utility(const JudgedRanking& ranking, double) {
  return 2 * RelevantRetrieved(ranking) - Retrieved(ranking);
}

// --- gains

double Discount(double place) { return std::log2(place + 1); }
double Gain(int grade) { return std::max(grade, 0); }

double Dcg(std::span<const int> grades) {
  double sum = 0, place = 0;
  for (int grade : grades) sum += Gain(grade) / Discount(++place);
  return sum;
}

// All judged grades from the best down: what the best ranking would retrieve.
std::vector<int> IdealGrades(const JudgedRanking& ranking) {
  std::vector<int> grades;
  for (size_t level = ranking.level_counts.size(); level-- > 1;) {
    grades.insert(grades.end(), ranking.level_counts[level], static_cast<int>(level));
  }
  return grades;
}

double NdcgCut(const JudgedRanking& ranking, double cutoff) {
  const std::vector<int> ideal = IdealGrades(ranking);
  const auto places = std::min(static_cast<size_t>(cutoff), ideal.size());
  return Ratio(Dcg(Top(ranking, cutoff)), Dcg(std::span(ideal).first(places)));
}
double Ndcg(const JudgedRanking& ranking, double) {
  return Ratio(Dcg(ranking.grades), Dcg(IdealGrades(ranking)));
}

// Mean over the relevant documents of nDCG at each one's place; of those that were not retrieved,
// at the end.
double NdcgAtRelevant(const JudgedRanking& ranking, double) {
  const std::vector<int> ideal = IdealGrades(ranking);
  double found = 0, best = 0, sum = 0, hits = 0;
  const size_t places = std::max(ranking.grades.size(), ideal.size());
  for (size_t i = 0; i < places; ++i) {
    const double discount = Discount(static_cast<double>(i) + 1);
    if (i < ideal.size()) best += Gain(ideal[i]) / discount;
    if (i >= ranking.grades.size()) continue;
    found += Gain(ranking.grades[i]) / discount;
    if (!Relevant(ranking.grades[i])) continue;
    sum += found / best;
    ++hits;
  }
  const double relevant = RelevantCount(ranking);
  return Ratio(sum + (relevant - hits) * Ratio(found, best), relevant);
}

// Mean over the grades that were given, 0 among them, of nDCG at as many places as there are
// judged documents of that grade or a better one.
double NdcgAtLevels(const JudgedRanking& ranking, double) {
  double sum = 0, levels = 0, documents = 0;
  for (size_t level = ranking.level_counts.size(); level-- > 0;) {
    if (ranking.level_counts[level] == 0) continue;
    documents += static_cast<double>(ranking.level_counts[level]);
    sum += NdcgCut(ranking, documents);
    ++levels;
  }
  return Ratio(sum, levels);
}

// Gain of each document over log2(2 + documents without one above it), over the sum of all gains.
template <typename GainOf>
double NormalisedGain(const JudgedRanking& ranking, GainOf gain_of) {
  double sum = 0, without = 0, best = 0;
  for (int grade : ranking.grades) {
    const double gain = gain_of(grade);
    if (gain > 0) {
      sum += gain / std::log2(2 + without);
    } else {
      ++without;
    }
  }
  for (size_t level = 1; level < ranking.level_counts.size(); ++level) {
    best += static_cast<double>(ranking.level_counts[level]) * gain_of(static_cast<int>(level));
  }
  return Ratio(sum, best);
}
double BinaryG(const JudgedRanking& ranking, double) {
  return NormalisedGain(ranking, [](int grade) { return Relevant(grade) ? 1.0 : 0.0; });
}
double GradedG(const JudgedRanking& ranking, double) { return NormalisedGain(ranking, Gain); }

// --- unjudged documents

double JudgedNotRelevantRetrieved(const JudgedRanking& ranking, double) {
  return static_cast<double>(std::count(ranking.grades.begin(), ranking.grades.end(), 0));
}
double Unjudged(const JudgedRanking& ranking, double cutoff) {
  const auto top = Top(ranking, cutoff);
  return static_cast<double>(std::count_if(top.begin(), top.end(), [](int g) { return g < 0; })) /
         cutoff;
}

// Moffat & Zobel 2008: a reader goes on to the next document with this probability.
constexpr double kPersistence = .9;
double Rbp(const JudgedRanking& ranking, double) {
  double sum = 0, weight = 1 - kPersistence;
  for (int grade : ranking.grades) {
    if (Relevant(grade)) sum += weight;
    weight *= kPersistence;
  }
  return sum;
}
// What unjudged documents, and those behind the last one, could still add.
double RbpResidual(const JudgedRanking& ranking, double) {
  double sum = 0, weight = 1 - kPersistence;
  for (int grade : ranking.grades) {
    if (grade < 0) sum += weight;
    weight *= kPersistence;
  }
  return sum + weight / (1 - kPersistence);
}

using enum TrecAggregate;
constexpr double kPlaces[] = {5, 10, 15, 20, 30, 100, 200, 500, 1000};
constexpr double kSuccessPlaces[] = {1, 5, 10};
constexpr double kUnjudgedPlaces[] = {5, 10, 20};
constexpr double kRecalls[] = {0, .1, .2, .3, .4, .5, .6, .7, .8, .9, 1};
constexpr double kMultiples[] = {.2, .4, .6, .8, 1, 1.2, 1.4, 1.6, 1.8, 2};

constexpr TrecMeasureRow kMeasures[] = {
    {"num_ret", kSum, {}, false, true, Retrieved, "documents retrieved"},
    {"num_rel", kSum, {}, false, true, RelevantCount, "relevant documents"},
    {"num_rel_ret", kSum, {}, false, true, RelevantRetrieved, "relevant documents retrieved"},
    {"map", kMean, {}, false, true, Map, "average precision, divided by all relevant"},
    {"gm_map", kGeometricMean, {}, false, true, Map, "geometric mean of average precision"},
    {"Rprec", kMean, {}, false, true, RPrecision, "precision at the number of relevant documents"},
    {"bpref", kMean, {}, false, true, Bpref, "binary preference over judged documents alone"},
    {"recip_rank", kMean, {}, false, true, ReciprocalRank, "1 / place of the first relevant"},
    {"iprec_at_recall", kMean, kRecalls, true, true, InterpolatedPrecision,
     "best precision at this recall or beyond"},
    {"P", kMean, kPlaces, false, true, Precision, "relevant among the first k, divided by k"},
    {"recall", kMean, kPlaces, false, false, Recall, "relevant among the first k, by all relevant"},
    {"infAP", kMean, {}, false, false, InferredAp, "inferred average precision"},
    {"gm_bpref", kGeometricMean, {}, false, false, Bpref, "geometric mean of bpref"},
    {"Rprec_mult", kMean, kMultiples, true, false, RPrecisionMultiple,
     "precision at a multiple of the number of relevant documents"},
    {"utility", kMean, {}, false, false, Utility, "relevant less not relevant ones retrieved"},
    {"11pt_avg", kMean, {}, false, false, ElevenPointAverage, "mean of iprec_at_recall 0, .1 .. 1"},
    {"binG", kMean, {}, false, false, BinaryG, "G with gains 0 and 1"},
    {"G",
     kMean,
     {},
     false,
     false,
     GradedG,
     "gain over log2(2 + documents without gain above), over the sum of gains"},
    {"ndcg", kMean, {}, false, false, Ndcg, "discounted cumulative gain over that of the best"},
    {"ndcg_rel", kMean, {}, false, false, NdcgAtRelevant, "mean nDCG at each relevant document"},
    {"Rndcg", kMean, {}, false, false, NdcgAtLevels, "mean nDCG at the number of each grade"},
    {"ndcg_cut", kMean, kPlaces, false, false, NdcgCut, "nDCG of the first k"},
    {"map_cut", kMean, kPlaces, false, false, MapCut, "average precision of the first k"},
    {"relative_P", kMean, kPlaces, false, false, RelativePrecision,
     "relevant among the first k, divided by min(k, relevant)"},
    {"success", kMean, kSuccessPlaces, false, false, Success,
     "1 if any of the first k is relevant"},
    {"set_P", kMean, {}, false, false, SetPrecision, "precision of all retrieved"},
    {"set_relative_P",
     kMean,
     {},
     false,
     false,
     SetRelativePrecision,
     "relevant retrieved, divided by min(retrieved, relevant)"},
    {"set_recall", kMean, {}, false, false, SetRecall, "recall of all retrieved"},
    {"set_map", kMean, {}, false, false, SetMap, "set_P * set_recall"},
    {"set_F", kMean, {}, false, false, SetF, "harmonic mean of set_P and set_recall"},
    {"num_nonrel_judged_ret",
     kSum,
     {},
     false,
     false,
     JudgedNotRelevantRetrieved,
     "judged documents retrieved that are not relevant"},
    {"rbp", kMean, {}, false, false, Rbp, "rank-biased precision, persistence .9"},
    {"rbp_resid", kMean, {}, false, false, RbpResidual, "what rbp could gain by judging the rest"},
    {"unj", kMean, kUnjudgedPlaces, false, false, Unjudged,
     "documents without a judgement among the first k, divided by k"},
};

}  // namespace

std::span<const TrecMeasureRow> TrecMeasures() { return kMeasures; }

}  // namespace fluke
