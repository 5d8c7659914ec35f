// Labels for photographs that have none, out of labelled neighbours or of a classifier.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/manifest.h"
#include "common/vector_index.h"

namespace fluke {

// What might be the label of an item.
struct PseudoLabel {
  size_t item = 0;
  std::string identity;
  double score = 0;  // cosine of the nearest labelled photograph, or a classifier's confidence
};

struct NeighborVote {
  int agreeing = 1;  // the nearest so many labelled photographs must be of one identity
  // The item must be among so many nearest unlabelled ones of its own nearest labelled photograph;
  // 0: it need not.
  int mutual = 0;
};

// unlabelled[q]: the item of query q; labelled[r]: that of gallery row r; of_unlabelled[q]: nearest
// gallery rows of a query, best first; of_labelled[r]: nearest queries of a gallery row (may be
// empty where mutual is 0).
std::vector<PseudoLabel> LabelsFromNeighbors(
    const std::vector<ManifestItem>& items, const std::vector<size_t>& unlabelled,
    const std::vector<size_t>& labelled, const std::vector<std::vector<Neighbor>>& of_unlabelled,
    const std::vector<std::vector<Neighbor>>& of_labelled, const NeighborVote& vote);

// A CSV with the columns path (or id), identity (or class) and score (or confidence): the best row
// of each item without an identity. Throws InvalidArgument naming the line.
std::vector<PseudoLabel> LabelsFromPredictions(const std::string& csv_path,
                                               const Manifest& manifest);

struct PseudoLabelChoice {
  double min_score = -1;
  double top_share = 1;         // of those that reach min_score, the best first, rounded up
  double weight = 1;            // of a pseudo-labelled photograph
  bool weigh_by_score = false;  // times its score, where that is positive
};

// The labels that are confident enough, best first.
std::vector<PseudoLabel> Confident(std::vector<PseudoLabel> labels,
                                   const PseudoLabelChoice& choice);

// Sets identity, and the metadata `weight`, `provenance` ("pseudo:<source>") and `pseudo_score`;
// photographs that had an identity get weight 1 and provenance "labelled". Where the manifest has
// splits, a labelled photograph without one becomes train.
void ApplyPseudoLabels(const std::vector<PseudoLabel>& labels, const PseudoLabelChoice& choice,
                       const std::string& source, std::vector<ManifestItem>* items);

}  // namespace fluke
