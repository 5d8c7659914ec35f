// Dividing identities into those that train and those that are held out, the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace fluke {

// The distinct identities ordered by the SHA-1 hex digest of their names: an order that looks
// random, needs no seed and that any other language reproduces in one line (Python: sorted(ids,
// key=lambda s: sha1(s.encode()).hexdigest())).
std::vector<std::string> OrderBySha1(std::vector<std::string> identities);

// The distinct identities in an order that depends on `seed` and on the names alone.
std::vector<std::string> OrderBySeed(std::vector<std::string> identities, uint64_t seed);

// How many of `n` identities train when `fraction` of them are held out: floor(n * (1 - fraction)),
// which is n * 8 / 10 in integers for .2. Throws InvalidArgument unless 0 <= fraction <= 1.
size_t TrainCount(size_t n, double fraction);

// The held-out identities: the last ones in OrderBySha1, after the first TrainCount.
std::set<std::string> HeldOut(std::vector<std::string> identities, double fraction);

// The same in OrderBySeed.
std::set<std::string> HeldOut(std::vector<std::string> identities, double fraction, uint64_t seed);

}  // namespace fluke
