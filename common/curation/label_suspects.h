// Photographs whose label their neighbours contradict: mistakes to look at, and missed matches.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/vector_index.h"

namespace fluke {

struct SuspectOptions {
  // A neighbour votes for its identity with exp(cosine / temperature).
  double temperature = .05;
  // How many of the nearest must agree on one other identity for `unanimous`.
  int unanimous = 3;
};

struct LabelSuspect {
  size_t row = 0;
  std::string suggested;
  double p_own = 0, p_suggested = 0;  // shares of the neighbours' votes
  int votes = 0;                      // neighbours of the suggested identity
  int own_photos = 0;                 // photographs of the row's own identity, itself among them
  bool unanimous = false;  // the nearest `unanimous` neighbours are all of the suggested identity
  // The suggested identity gets at least the share that its own photographs get on average:
  // confident learning's off-diagonal count (Northcutt, Jiang, Chuang: Confident Learning, JAIR
  // 2021), with neighbours as the classifier, each photograph left out of its own vote.
  bool confident = false;
};

// identities: one a row, "" = unknown (neither judged nor heard); neighbors: of each row, itself
// left out, best first. Those that are unanimous or confident, the most contradicted first
// (smallest p_own - p_suggested). An identity of a single photograph is suggested to nobody.
std::vector<LabelSuspect> FindLabelSuspects(const std::vector<std::string>& identities,
                                            const std::vector<std::vector<Neighbor>>& neighbors,
                                            const SuspectOptions& options);

}  // namespace fluke
