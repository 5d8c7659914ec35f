// Identifying individuals of whom some are new: what the best match of every query says, and from
// which score on it is believed. A query is accepted where its score is at least the threshold,
// otherwise it is called new.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

namespace fluke {

// The best match of one query.
struct Identification {
  int64_t identity = 0;    // who it is
  bool is_known = true;    // the gallery has (another item of) that identity
  int64_t predicted = -1;  // identity of the best match; negative: of unknown identity, or none
  float score = 0;         // of the best match

  bool is_right() const { return is_known && predicted == identity; }
};

struct OpenSetAccuracy {
  double baks = 0;  // mean over known individuals of the share of their queries that are accepted
                    // and right
  double baus = 0;  // mean over new individuals of the share of their queries that are called new
  int64_t known_individuals = 0;
  int64_t new_individuals = 0;
};

// Balanced accuracy on known and on unknown samples (wildlife-datasets' BAKS and BAUS; AnimalCLEF).
OpenSetAccuracy BalancedAccuracies(std::span<const Identification> queries, float threshold);

// Watchlist identification (Phillips et al. 2011), at rank 1: `dir` = the share of queries of known
// individuals that are accepted and right, at the smallest threshold where at most the share `far`
// of the queries of new ones is accepted.
struct OpenSetPoint {
  float threshold = std::numeric_limits<float>::infinity();
  double dir = 0;
  double far = 0;  // reached
};
OpenSetPoint DirAtFar(std::span<const Identification> queries, double far);

// What a threshold is chosen for, out of BAKS and BAUS.
struct ThresholdGoal {
  std::string_view name;
  double (*value)(double baks, double baus);
  std::string_view help;
};
std::span<const ThresholdGoal> ThresholdGoals();

struct ThresholdChoice {
  float threshold = 0;
  double goal = 0;
  OpenSetAccuracy accuracy = {};
};

// The threshold, midway between two scores, with the best goal; of equally good ones the lowest.
// Chosen on the queries that it is then measured on, the goal is flattered: choose on other ones.
ThresholdChoice ChooseThreshold(std::span<const Identification> queries, const ThresholdGoal& goal);

// Global average precision (Weyand et al. 2020, Google Landmarks): over all queries by falling
// score (equal ones in their order), 1/M sum of precision@i * [i is right], M: queries of known
// individuals. A query that predicts nobody (predicted < 0) is none of the list.
double GlobalAveragePrecision(std::span<const Identification> queries);

}  // namespace fluke
