// Geometric verification: of the pairs of key points that look alike, those that one map of the
// photograph onto the other explains. What merely looks alike lies anywhere; what is the same
// skin, seen anew, moves together (RANSAC: Fischler and Bolles, CACM 1981).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <opencv2/core/matx.hpp>

#include "common/local/key_points.h"

namespace fluke {

// Key point `query` of one photograph looks like key point `gallery` of another.
struct PointPair {
  int32_t query = 0, gallery = 0;
  float weight = 0;  // how much more alike than what else there is (lnbnn.h)

  bool operator==(const PointPair&) const = default;
};

// What maps are tried. Fewer unknowns are settled by fewer pairs, and by fewer chance ones.
struct GeometryModel {
  std::string_view name;
  int unknown_pairs;  // so many pairs fit always
  std::string_view help;
};
std::span<const GeometryModel> GeometryModels();

// Defaults by tests/bench/local_evidence.py.
struct GeometryOptions {
  std::string model = "similarity";  // of GeometryModels()
  // A pair fits where the map carries its query point so near to its gallery point, in hundredths
  // of the gallery photograph's longer side.
  double tolerance_percent = 8;
  // Maps that enlarge or shrink more than this, in any direction, at a pair that fits, are no view
  // of the same skin.
  double most_zoom = 3;
  int iterations = 500;
};

struct VerifiedPairs {
  std::vector<PointPair> pairs;  // that fit, in the order they came
  double weight = 0;             // sum of theirs
  // (x, y, 1) of the query, px, to (u w, v w, w): (u, v) of the gallery photograph, px. Where pairs
  // fit; w is 1 of all but homographies.
  cv::Matx33d map = {};
};

// The largest set of `pairs` that fits one map without reflection. Fewer than two more than fit
// always are no evidence: then none. Each key point counts once on either side (the heaviest pair
// of it). The same arguments give the same result. Throws InvalidArgument for an unknown model.
VerifiedPairs VerifyPairs(const LocalFeatures& query, const LocalFeatures& gallery,
                          std::span<const PointPair> pairs, const GeometryOptions& options = {});

}  // namespace fluke
