// Photographs that are the same, or nearly: pairs found by several means, the groups that they
// make, what leaks from one split into another, and a manifest without them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/curation/image_hash.h"
#include "common/manifest.h"
#include "common/vector_index.h"

namespace fluke {

enum class Likeness { kExact, kHash, kEmbedding };
std::string_view LikenessName(Likeness likeness);  // exact, hash, embedding

// Items a < b of a manifest. distance: 0 of exact ones, bits of hashes, 1 - cosine of embeddings.
struct DuplicatePair {
  size_t a = 0, b = 0;
  Likeness likeness = Likeness::kExact;
  double distance = 0;
};

enum class HashState : uint8_t { kUnreadable, kFlat, kHashed };

struct HashedPhotographs {
  std::vector<HashState> states;  // one an item, as the next two
  std::vector<uint64_t> hashes;
  std::vector<cv::Size> sizes;  // in full-size pixels, of the crop where there is a box
  std::vector<BadRow> unreadable;
};

// Hashes every item's photograph, cropped to its box where it has one, decoded no larger than
// needed, on `threads` threads.
HashedPhotographs HashPhotographs(const Manifest& manifest, const ImageHashKind& kind, int threads);

// Pairs within `radius` bits, as many as connect what is alike: of photographs with equal hashes
// each is paired with one of them. Those whose hash and size are equal are decoded in full and told
// as exact where every pixel is equal; flat ones are pairs only if they are. Two boxes of one
// photograph are no pair.
std::vector<DuplicatePair> PairsByHash(const Manifest& manifest, const HashedPhotographs& hashed,
                                       int radius, int threads);

// neighbors[q]: items like item rows[q] (their numbers, by cosine); pairs of at least min_cosine.
std::vector<DuplicatePair> PairsByEmbedding(const Manifest& manifest, std::span<const size_t> rows,
                                            const std::vector<std::vector<Neighbor>>& neighbors,
                                            double min_cosine);

// Items that pairs connect, directly or through others: groups of two or more, the largest first,
// each in ascending order.
std::vector<std::vector<size_t>> GroupPairs(size_t items, std::span<const DuplicatePair> pairs);

struct DuplicateReport {
  int64_t groups = 0;
  int64_t photos = 0;              // in groups
  int64_t surplus = 0;             // in groups, but for one of each
  int64_t leaking_groups = 0;      // with photographs of two splits or more
  int64_t leaking_photos = 0;      // in val or test (or any fold), with a like one in another split
  int64_t conflicting_groups = 0;  // with photographs of two known identities or more
};
DuplicateReport ReportDuplicates(const std::vector<ManifestItem>& items,
                                 const std::vector<std::vector<size_t>>& groups);

// The one of each group that stays, where the others go: of test before val before train before
// others, so that a test set stays what it was; then of known identity, then the largest, then the
// first by path. keep: one an item.
std::vector<bool> KeepOneOfEach(const std::vector<ManifestItem>& items,
                                const std::vector<std::vector<size_t>>& groups,
                                std::span<const cv::Size> sizes);

// A row a photograph of a group: group, path, identity, split, and the nearest other of its group
// with how it is like it: like, likeness, distance.
std::string DuplicatesCsv(const std::vector<ManifestItem>& items,
                          const std::vector<std::vector<size_t>>& groups,
                          std::span<const DuplicatePair> pairs);

}  // namespace fluke
