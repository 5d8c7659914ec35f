// The exact search among what another engine proposes: its scores have a known error, so that most
// queries can be shown to have all their neighbours among some more rows than they asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/vector_index.h"
#include "index/proposer.h"
#include "index/search_scope.h"
#include "index/similarity.h"

namespace fluke {

// Result i: the best k of all rows, bit for bit those of ScanExactly, or nothing where that cannot
// be shown. queries: n x dimension, normalised; k: at most as many as there are rows.
// scope.allowed: null.
std::vector<std::optional<std::vector<Neighbor>>> ScanProposed(
    const Proposer& proposer, Similarity similarity, std::span<const float> queries,
    std::span<const float> rows, int64_t dimension, int64_t k, const SearchScope& scope);

}  // namespace fluke
