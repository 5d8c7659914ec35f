// Local naive Bayes nearest neighbour: each key point of a query votes for those of the gallery
// that are nearer to it than the gallery's background is.
//
// McCann and Lowe, CVPR 2012, algorithm 2: of a query descriptor's k + 1 nearest, the last stands
// for the background; each other one j votes with dist(k + 1) - dist(j). HotSpotter (Crall et al.,
// WACV 2013) lets such votes identify animals. dist is the Euclidean distance, as in HotSpotter
// (McCann and Lowe have its square; the differences were small, for the plain one, on Nyala).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "common/local/geometry.h"
#include "index/local/descriptor_index.h"

namespace fluke {

// A key point of the query and a descriptor of the gallery.
struct Vote {
  int32_t query = 0;  // number of the key point
  int64_t row = 0;    // of the gallery
  float weight = 0;   // 0 or more

  bool operator==(const Vote&) const = default;
};

// near: k + 1 of each key point; those who have fewer vote with the last that they have as the
// background. Votes of weight 0 are left out.
std::vector<Vote> LnbnnVotes(const NearDescriptors& near);

// What a photograph has of them.
struct PhotoVotes {
  int64_t photo = 0;
  double score = 0;              // sum of the pairs' weights
  std::vector<PointPair> pairs;  // in the order of the votes; `gallery` counts within the photo
};

// first_row: photos + 1 numbers; photo p has the rows [first_row[p], first_row[p + 1]). Photographs
// without a vote are left out; highest score first, ties by number.
std::vector<PhotoVotes> VotesByPhoto(std::span<const Vote> votes,
                                     std::span<const int64_t> first_row);

// For each of `photos` (out of VotesByPhoto): the score of its individual, which gets the heaviest
// vote of each key point for any of its photographs among them. identity_of: a photograph's
// individual; negative: unknown, the photograph stands for itself.
std::vector<double> IndividualScores(std::span<const PhotoVotes> photos,
                                     const std::function<int64_t(int64_t photo)>& identity_of);

}  // namespace fluke
