// From scores to probabilities: how likely two photographs that score so show the same individual.
// Scores of different kinds can be averaged then (WildFusion: Cermak et al., 2024).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace fluke {

struct ScoredPair {
  double score = 0;
  bool same = false;  // the same individual
};

// Rises with the score. Immutable once made; thread-safe.
struct ScoreCalibration {
  std::string method = "isotonic";  // of CalibrationMethods()
  // isotonic: linear between these, level outside; ascending scores.
  struct Point {
    double score = 0, probability = 0;
    bool operator==(const Point&) const = default;
  };
  std::vector<Point> points = {};
  double slope = 0, offset = 0;  // logistic: 1 / (1 + exp(-(slope * score + offset)))

  double Probability(double score) const;
  bool operator==(const ScoreCalibration&) const = default;
};

// Isotonic regression (pool adjacent violators): probabilities of the pooled stretches at their
// first and last score. Throws InvalidArgument unless there are pairs of both kinds, all finite.
ScoreCalibration FitIsotonic(std::span<const ScoredPair> pairs);

// Platt's logistic regression (1999), by Newton's method with a line search, with his
// targets (n+ + 1) / (n+ + 2) and 1 / (n- + 2) instead of 1 and 0. Throws as FitIsotonic.
ScoreCalibration FitLogistic(std::span<const ScoredPair> pairs);

struct CalibrationMethod {
  std::string_view name;
  ScoreCalibration (*fit)(std::span<const ScoredPair> pairs);
  std::string_view help;
};
std::span<const CalibrationMethod> CalibrationMethods();

nlohmann::json CalibrationToJson(const ScoreCalibration& calibration);
// Throws as nlohmann's at() does.
ScoreCalibration CalibrationFromJson(const nlohmann::json& document);

}  // namespace fluke
