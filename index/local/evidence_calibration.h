// Global (embedding) and local scores of one shortlist, each read as a probability, and their mean:
// WildFusion (Cermak et al., 2024). What the curves are learned from are photographs of known
// individuals, each looked for among the others.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "common/vector_index.h"
#include "index/local/local_index.h"
#include "index/local/score_calibration.h"

namespace fluke {

struct EvidenceCalibration {
  std::string fingerprint;  // of the model whose scores `global` reads
  KeyPointOptions key_points;
  int64_t queries = 0, pairs = 0;  // that it was learned from
  ScoreCalibration global, local;

  bool operator==(const EvidenceCalibration&) const = default;
};

struct CalibrateOptions {
  std::string method = "isotonic";  // of CalibrationMethods(): local scores have a long tail
  int shortlist = 100;              // nearest by embedding that are compared
  int64_t max_queries = 500;        // photographs tried, evenly spread
  LocalSearchOptions search = {};
};

// Photographs are those that both hold (by id) and whose individual has several. Throws
// InvalidArgument where there are none.
EvidenceCalibration CalibrateEvidence(const LocalIndex& local, const VectorIndex& global,
                                      const CalibrateOptions& options);

// In INDEX/local (layout::CalibrationFile): sealed, complete or absent.
void WriteEvidenceCalibration(const std::filesystem::path& index,
                              const EvidenceCalibration& calibration);
// Throws NotFound where there is none, DataLoss where it is damaged.
EvidenceCalibration ReadEvidenceCalibration(const std::filesystem::path& index);

// Throws FailedPrecondition where it was learned with other key points or another model.
void CheckCalibrationFits(const EvidenceCalibration& calibration, const LocalManifest& local,
                          const IndexInfo& global);

// The neighbours with the mean of both probabilities as their scores, best first; equal ones in the
// order they came. local_scores: one a neighbour.
std::vector<Neighbor> CombinedRanking(std::span<const Neighbor> neighbors,
                                      std::span<const double> local_scores,
                                      const EvidenceCalibration& calibration);

// The local score of each neighbour, by its item's id; 0 where the local evidence does not hold it.
// left_out: as in LocalIndex::Score.
std::vector<double> LocalScores(const LocalIndex& local, const VectorIndex& global,
                                const LocalFeatures& query, std::span<const Neighbor> neighbors,
                                const LocalSearchOptions& options, int64_t left_out);

}  // namespace fluke
