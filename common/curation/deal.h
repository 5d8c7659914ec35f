// The arithmetic of dividing: examples or whole groups of them into parts of given shares. An
// example is a number 0 .. n-1, a part a number 0 .. shares.size()-1; shares are positive or 0 and
// sum to 1. Where several parts are as good, the first is taken; where the order matters, it is the
// caller's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fluke {

// The part of each group, groups in the order in which they are given: part after part is filled
// until its share of all photographs is reached. A group goes where its middle lies, so that no
// part's end misses its share by more than half a group. sizes: photographs of each group.
std::vector<int> CutByShare(std::span<const int64_t> sizes, std::span<const double> shares);

// Largest groups first, each into the part that is furthest below its share, relative to it. With
// equal shares this is scikit-learn's GroupKFold.
std::vector<int> BalanceGroups(std::span<const int64_t> sizes, std::span<const double> shares);

// Examples dealt like cards, one after another, each to the part that is furthest below its share
// of those dealt so far. With equal shares: 0, 1, .. k-1, 0, 1 .. Examples in the order of their
// labels are thus stratified, as by scikit-learn's StratifiedKFold: of n_l examples of a label,
// each of k equal parts has floor(n_l / k) or one more.
std::vector<int> Deal(int64_t examples, std::span<const double> shares);

// Whole groups so that the labels are spread as evenly as can be: groups whose label counts vary
// most first, each into the part where the standard deviation over the parts of each label's
// proportion, averaged over the labels, is least (scikit-learn's StratifiedGroupKFold). Labels are
// numbers 0 .. label_count - 1.
struct LabelCount {
  int label = 0;
  int64_t photos = 0;  // of this label in the group; labels that it has none of are left out
};
std::vector<int> BalanceLabelledGroups(const std::vector<std::vector<LabelCount>>& groups,
                                       int label_count, std::span<const double> shares);

// Iterative stratification of examples with several labels each (Sechidis, Tsoumakas, Vlahavas: On
// the Stratification of Multi-Label Data, ECML PKDD 2011, algorithm 1): again and again the label
// with fewest examples left is dealt out, each example to the part that misses most of that label,
// then to the one that misses most examples. labels[i]: distinct label numbers 0 .. of example i.
// Examples without a label fill up at the end.
std::vector<int> StratifyIteratively(const std::vector<std::vector<int>>& labels,
                                     std::span<const double> shares);

}  // namespace fluke
