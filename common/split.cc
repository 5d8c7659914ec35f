#include "common/split.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/error.h"
#include "common/random.h"
#include "common/sha1.h"

namespace fluke {
namespace {

void SortUnique(std::vector<std::string>* names) {
  std::sort(names->begin(), names->end());
  names->erase(std::unique(names->begin(), names->end()), names->end());
}

std::set<std::string> After(const std::vector<std::string>& ordered, double fraction) {
  const auto cut = static_cast<std::ptrdiff_t>(TrainCount(ordered.size(), fraction));
  return {ordered.begin() + cut, ordered.end()};
}

}  // namespace

std::vector<std::string> OrderBySha1(std::vector<std::string> identities) {
  SortUnique(&identities);
  std::vector<std::pair<std::string, std::string>> keyed;
  for (std::string& identity : identities) {
    std::string digest = Sha1Hex(identity);
    keyed.emplace_back(std::move(digest), std::move(identity));
  }
  std::sort(keyed.begin(), keyed.end());
  std::vector<std::string> ordered;
  for (auto& [digest, identity] : keyed) ordered.push_back(std::move(identity));
  return ordered;
}

std::vector<std::string> OrderBySeed(std::vector<std::string> identities, uint64_t seed) {
  SortUnique(&identities);
  Random random(RandomKey({seed, identities.size()}));
  random.Shuffle(identities.begin(), identities.end());
  return identities;
}

size_t TrainCount(size_t n, double fraction) {
  if (!(fraction >= 0 && fraction <= 1)) {
    InvalidArgument("held-out fraction ", fraction, ": expected 0 to 1");
  }
  // The small addend undoes representation error where n * (1 - fraction) is a whole number.
  return static_cast<size_t>(std::floor(static_cast<double>(n) * (1 - fraction) + 1e-9));
}

std::set<std::string> HeldOut(std::vector<std::string> identities, double fraction) {
  return After(OrderBySha1(std::move(identities)), fraction);
}

std::set<std::string> HeldOut(std::vector<std::string> identities, double fraction, uint64_t seed) {
  return After(OrderBySeed(std::move(identities), seed), fraction);
}

}  // namespace fluke
