#include "index/local/lnbnn.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/container/flat_hash_map.h"

namespace fluke {

std::vector<Vote> LnbnnVotes(const NearDescriptors& near) {
  std::vector<Vote> votes;
  const size_t k = static_cast<size_t>(near.k);
  for (size_t query = 0; query * k < near.rows.size(); ++query) {
    const auto rows = std::span(near.rows).subspan(query * k, k);
    const auto distances = std::span(near.distances).subspan(query * k, k);
    const auto found =
        static_cast<size_t>(std::find(rows.begin(), rows.end(), int64_t{-1}) - rows.begin());
    for (size_t j = 0; j + 1 < found; ++j) {
      const float weight = std::sqrt(distances[found - 1]) - std::sqrt(distances[j]);
      if (weight > 0) {
        votes.push_back({.query = static_cast<int32_t>(query), .row = rows[j], .weight = weight});
      }
    }
  }
  return votes;
}

std::vector<PhotoVotes> VotesByPhoto(std::span<const Vote> votes,
                                     std::span<const int64_t> first_row) {
  std::vector<PhotoVotes> photos;
  absl::flat_hash_map<int64_t, size_t> place;  // in photos, by photo
  for (const Vote& vote : votes) {
    const int64_t photo =
        std::upper_bound(first_row.begin(), first_row.end(), vote.row) - first_row.begin() - 1;
    const auto [found, fresh] = place.emplace(photo, photos.size());
    if (fresh) photos.push_back({.photo = photo, .score = 0, .pairs = {}});
    PhotoVotes& of_photo = photos[found->second];
    of_photo.score += vote.weight;
    of_photo.pairs.push_back(
        {.query = vote.query,
         .gallery = static_cast<int32_t>(vote.row - first_row[static_cast<size_t>(photo)]),
         .weight = vote.weight});
  }
  std::sort(photos.begin(), photos.end(), [](const PhotoVotes& a, const PhotoVotes& b) {
    return a.score != b.score ? a.score > b.score : a.photo < b.photo;
  });
  return photos;
}

std::vector<double> IndividualScores(std::span<const PhotoVotes> photos,
                                     const std::function<int64_t(int64_t photo)>& identity_of) {
  // Unknown ones are individuals of their own: numbered below zero by photograph.
  const auto individual = [&](int64_t photo) {
    const int64_t identity = identity_of(photo);
    return identity >= 0 ? identity : -1 - photo;
  };
  absl::flat_hash_map<int64_t, std::map<int32_t, float>> heaviest;  // by individual, key point
  for (const PhotoVotes& photo : photos) {
    std::map<int32_t, float>& of_points = heaviest[individual(photo.photo)];
    for (const PointPair& pair : photo.pairs) {
      float& weight = of_points[pair.query];
      weight = std::max(weight, pair.weight);
    }
  }
  absl::flat_hash_map<int64_t, double> total;
  for (const auto& [number, of_points] : heaviest) {
    double& sum = total[number];
    for (const auto& [point, weight] : of_points) sum += weight;
  }
  std::vector<double> scores;
  for (const PhotoVotes& photo : photos) scores.push_back(total.at(individual(photo.photo)));
  return scores;
}

}  // namespace fluke
