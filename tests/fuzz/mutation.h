// Where there is no libFuzzer: small deterministic changes of sound inputs.
#pragma once

#include <string>
#include <vector>

#include "common/random.h"

namespace fluke::fuzz {

// One of `seeds` with a few changes: bits flipped, bytes and whole numbers set to awkward values,
// parts cut out, doubled, moved, taken from another seed, or replaced by punctuation.
std::string Mutated(const std::vector<std::string>& seeds, Random& random);

}  // namespace fluke::fuzz
