// Dividing a manifest: into train, val and test by shares, or into folds. Which photographs go
// where depends on the photographs, the kind, the shares and the seed, never on the order of rows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/manifest.h"

namespace fluke {

struct SplitRequest {
  // Of train and test, of train, val and test, or of as many folds. Sums to 1. Ignored by kinds
  // that cut at points in time.
  std::vector<double> shares = {.8, .2};
  bool folds = false;
  // Order of names and photographs: drawn by it, or that of their SHA-1 where there is none.
  std::optional<uint64_t> seed = {};
  std::string label_column = "identity";        // stratified, stratified-group
  std::string group_column = {};                // group, stratified-group
  std::vector<std::string> label_columns = {};  // multilabel
  double new_identity_share = .1;               // open: of the photographs, in test alone
  // time: rising points in time (seconds), one or two; from the last on is test, before the first
  // is train. Photographs from `end` on belong to no split.
  std::vector<int64_t> cuts = {};
  std::optional<int64_t> end = {};
};

inline constexpr int kNoPart = -1;

struct SplitKind {
  std::string_view name;
  // The part of each item, or kNoPart where the kind has no place for it.
  std::vector<int> (*divide)(const std::vector<ManifestItem>& items, const SplitRequest& request);
  bool makes_folds;
  // The photographs of train are the gallery that those of val and test are sought in, since
  // identities stand on both sides.
  bool train_is_gallery;
  std::string_view help;
};

std::span<const SplitKind> SplitKinds();

// "train", "test" of two parts; "train", "val", "test" of three; "0", "1" .. of folds.
std::vector<std::string> PartNames(const SplitRequest& request);

// Sets every item's split, and is_query and is_gallery where the kind has train_is_gallery. Items
// without a part keep none. Throws InvalidArgument for an unknown kind, shares that are negative or
// do not sum to 1, a column or option that the kind lacks, and where a part with a share is left
// without a photograph.
void DivideItems(std::string_view kind, const SplitRequest& request,
                 std::vector<ManifestItem>* items);

// Among the items of split `part`, `per_identity` photographs of every identity that has more
// become queries (in the order of the request's seed) and the others the gallery.
void MarkQueries(std::string_view part, int64_t per_identity, std::optional<uint64_t> seed,
                 std::vector<ManifestItem>* items);

}  // namespace fluke
