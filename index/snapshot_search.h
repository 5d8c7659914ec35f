// The search in one snapshot, by whatever its kind of index offers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/vector_index.h"
#include "index/search_scope.h"
#include "index/snapshot.h"

namespace fluke {

// Throws InvalidArgument for a knob that this kind of index does not have.
void CheckKnobs(const Snapshot& snapshot, const SearchOptions& options);

// queries: n x dimension, sound and normalised (similarity.h). Result i holds the min(k, rows that
// may be found) neighbours, best first, whatever the kind of index. Of `options`, k and the knobs
// are used.
std::vector<std::vector<Neighbor>> SearchSnapshot(const Snapshot& snapshot,
                                                  std::span<const float> queries,
                                                  const SearchOptions& options,
                                                  const SearchScope& scope);

}  // namespace fluke
