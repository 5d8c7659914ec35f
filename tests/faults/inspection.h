// What can be said against an index folder after a fault.
#pragma once

#include <filesystem>
#include <string>

#include "common/vector_index.h"
#include "tests/faults/scenarios.h"

namespace fluke::faults {

// "" or how `index` differs from `contents`: its items, their vectors to the bit, or what searches
// find.
std::string Difference(const VectorIndex& index, const Contents& contents);

// "" or what is wrong with the folder after `acknowledged` steps of the scenario: it must open and
// hold exactly what they made of it, or, as one unit, the next step too. `found`: which; may be
// null.
std::string ObjectionToState(const std::filesystem::path& folder, const Scenario& scenario,
                             size_t acknowledged, Contents* found);

// "" or what is wrong about going on from these contents: changes and a commit must be possible,
// and then nothing may lie about that is no part of the index. Changes the folder.
std::string ObjectionToGoingOn(const std::filesystem::path& folder, const Scenario& scenario,
                               Contents contents);

// "" or what lies in the folder that is no part of the index.
std::string Leftover(const std::filesystem::path& folder);

}  // namespace fluke::faults
