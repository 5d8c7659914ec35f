// Splits that divide the photographs of each identity, as wildlife-datasets does (Adam et al.:
// WildlifeDatasets, WACV 2024; its ClosedSetSplit, OpenSetSplit, TimeCutoffSplit and
// TimeProportionSplit). Rows of SplitKinds(); photographs without an identity, or without a
// timestamp where one is needed, have no part.
#pragma once

#include <vector>

#include "common/curation/split_kinds.h"
#include "common/manifest.h"

namespace fluke {

// Of n photographs of an identity, round(n * train share) train (halves to the even number), but at
// least one, and not all where there are two or more; the rest is val and test.
std::vector<int> DivideClosed(const std::vector<ManifestItem>& items, const SplitRequest& request);

// Identities in drawn order are new until they make up new_identity_share of the photographs, all
// of them test; the others are divided as DivideClosed does, with the share of train that then
// gives the one asked for overall.
std::vector<int> DivideOpen(const std::vector<ManifestItem>& items, const SplitRequest& request);

std::vector<int> DivideAtTimes(const std::vector<ManifestItem>& items, const SplitRequest& request);

// Of the d days on which an identity was photographed, the first round(d * train share) are train,
// at least one and, of two or more, not all.
std::vector<int> DivideDatesOfIdentities(const std::vector<ManifestItem>& items,
                                         const SplitRequest& request);

}  // namespace fluke
