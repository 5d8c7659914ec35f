#include "common/curation/label_suspects.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

namespace fluke {
namespace {

struct Vote {
  double share = 0;
  int votes = 0;
};
using Votes = std::map<std::string, Vote>;

Votes Count(const std::vector<std::string>& identities, const std::vector<Neighbor>& neighbors,
            double temperature) {
  Votes votes;
  double sum = 0, best = -1;
  for (const Neighbor& neighbor : neighbors) best = std::max(best, double{neighbor.score});
  for (const Neighbor& neighbor : neighbors) {
    const std::string& identity = identities[static_cast<size_t>(neighbor.row)];
    if (identity.empty()) continue;
    const double weight = std::exp((neighbor.score - best) / temperature);
    votes[identity].share += weight;
    ++votes[identity].votes;
    sum += weight;
  }
  for (auto& [identity, vote] : votes) vote.share /= sum;
  return votes;
}

double ShareOf(const Votes& votes, const std::string& identity) {
  const auto found = votes.find(identity);
  return found == votes.end() ? 0 : found->second.share;
}

// The identity that the nearest `count` known neighbours have in common, or "".
std::string Unanimous(const std::vector<std::string>& identities,
                      const std::vector<Neighbor>& neighbors, int count) {
  std::string common;
  for (const Neighbor& neighbor : neighbors) {
    const std::string& identity = identities[static_cast<size_t>(neighbor.row)];
    if (identity.empty()) continue;
    if (!common.empty() && identity != common) return "";
    common = identity;
    if (--count == 0) return common;
  }
  return "";
}

}  // namespace

std::vector<LabelSuspect> FindLabelSuspects(const std::vector<std::string>& identities,
                                            const std::vector<std::vector<Neighbor>>& neighbors,
                                            const SuspectOptions& options) {
  struct Known {
    int photos = 0;
    double share = 0;  // sum over its photographs
  };
  std::unordered_map<std::string, Known> known;
  std::vector<Votes> votes(identities.size());
  for (size_t row = 0; row < identities.size(); ++row) {
    if (identities[row].empty()) continue;
    votes[row] = Count(identities, neighbors[row], options.temperature);
    Known& own = known[identities[row]];
    ++own.photos;
    own.share += ShareOf(votes[row], identities[row]);
  }

  std::vector<LabelSuspect> suspects;
  for (size_t row = 0; row < identities.size(); ++row) {
    const std::string& own = identities[row];
    if (own.empty()) continue;
    LabelSuspect suspect = {.row = row, .suggested = "", .p_own = ShareOf(votes[row], own)};
    suspect.own_photos = known.at(own).photos;
    for (const auto& [identity, vote] : votes[row]) {
      const Known& other = known.at(identity);
      if (identity == own || other.photos < 2) continue;
      const bool confident = vote.share > 0 && vote.share >= other.share / other.photos;
      // A confident suggestion goes before one that is not, then the larger share.
      if (suspect.suggested.empty() ||
          std::pair(confident, vote.share) > std::pair(suspect.confident, suspect.p_suggested)) {
        suspect.suggested = identity;
        suspect.p_suggested = vote.share;
        suspect.votes = vote.votes;
        suspect.confident = confident;
      }
    }
    if (suspect.suggested.empty()) continue;
    suspect.confident = suspect.confident && suspect.p_suggested > suspect.p_own;
    suspect.unanimous =
        Unanimous(identities, neighbors[row], options.unanimous) == suspect.suggested;
    if (suspect.confident || suspect.unanimous) suspects.push_back(suspect);
  }
  std::stable_sort(suspects.begin(), suspects.end(),
                   [](const LabelSuspect& a, const LabelSuspect& b) {
                     return a.p_own - a.p_suggested < b.p_own - b.p_suggested;
                   });
  return suspects;
}

}  // namespace fluke
