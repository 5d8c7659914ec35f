#include "common/curation/duplicates.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <unordered_map>

#include "absl/strings/str_format.h"
#include "common/csv.h"
#include "common/curation/hamming_search.h"
#include "common/error.h"
#include "common/parallel.h"
#include "common/progress.h"
#include "common/sha1.h"

namespace fluke {
namespace {

constexpr int kHashedSidePx = 64;  // twice what the hashes look at

using Items = std::vector<ManifestItem>;

// The photograph at about the size that hashes look at, and its full size.
cv::Mat LoadSmall(const Manifest& manifest, const ManifestItem& item, cv::Size* size) {
  const DecodeOptions small = {.min_side_px = kHashedSidePx};
  if (item.box) {
    *size = {cvRound(item.box->w), cvRound(item.box->h)};
    return LoadCropped(manifest, item, small);
  }
  const DecodedImage image = manifest.images->Load(item, small);
  *size = {image.full_width, image.full_height};
  return image.pixels;
}

std::string PixelDigest(const cv::Mat& pixels) {
  const cv::Mat whole = pixels.isContinuous() ? pixels : pixels.clone();
  return StrCat(
      whole.cols, "x", whole.rows, " ",
      Sha1Hex({reinterpret_cast<const char*>(whole.data), whole.total() * whole.elemSize()}));
}

// Items whose photographs are equal in every pixel, of those that may be: numbers of `items` whose
// hash and size are equal.
using Alike = std::vector<size_t>;

std::vector<std::string> Digests(const Manifest& manifest, const Alike& items, int threads) {
  std::vector<std::string> digests(items.size());
  ParallelFor(static_cast<int64_t>(items.size()), threads, [&](int64_t i, int) {
    digests[i] = PixelDigest(LoadCropped(manifest, manifest.items[items[i]], {}));
  });
  return digests;
}

// Pairs each item with one of another photograph, so that all are connected.
void Connect(const Items& items, const Alike& alike, Likeness likeness,
             std::vector<DuplicatePair>* pairs) {
  const auto is_other = [&](size_t a, size_t b) { return items[a].path != items[b].path; };
  for (size_t k = 0; k < alike.size(); ++k) {
    const auto before = std::find_if(alike.rend() - static_cast<std::ptrdiff_t>(k), alike.rend(),
                                     [&](size_t other) { return is_other(other, alike[k]); });
    if (before != alike.rend()) {
      pairs->push_back({*before, alike[k], likeness, 0});
      continue;
    }
    const auto after = std::find_if(alike.begin() + static_cast<std::ptrdiff_t>(k), alike.end(),
                                    [&](size_t other) { return is_other(other, alike[k]); });
    if (k > 0 && after != alike.end()) pairs->push_back({alike[k], *after, likeness, 0});
  }
}

// All photographs of one hash.
void PairEqualHashes(const Manifest& manifest, const HashedPhotographs& hashed, const Alike& alike,
                     int threads, std::vector<DuplicatePair>* pairs) {
  std::map<std::pair<int, int>, Alike> by_size;
  for (size_t item : alike)
    by_size[{hashed.sizes[item].width, hashed.sizes[item].height}].push_back(item);
  for (const auto& [size, candidates] : by_size) {
    if (candidates.size() < 2) continue;
    const std::vector<std::string> digests = Digests(manifest, candidates, threads);
    std::map<std::string, Alike> equal;
    for (size_t i = 0; i < candidates.size(); ++i) equal[digests[i]].push_back(candidates[i]);
    for (const auto& [digest, items] : equal)
      Connect(manifest.items, items, Likeness::kExact, pairs);
  }
  Alike not_flat;
  for (size_t item : alike) {
    if (hashed.states[item] == HashState::kHashed) not_flat.push_back(item);
  }
  Connect(manifest.items, not_flat, Likeness::kHash, pairs);
}

int SplitRank(const std::string& split) {
  return split == "test" ? 0 : split == "val" ? 1 : split == "train" ? 2 : 3;
}

class Connected {
 public:
  explicit Connected(size_t items) : parent_(items) {
    std::iota(parent_.begin(), parent_.end(), size_t{0});
  }
  size_t Root(size_t item) {
    while (parent_[item] != item) item = parent_[item] = parent_[parent_[item]];
    return item;
  }
  void Join(size_t a, size_t b) {
    const size_t low = std::min(Root(a), Root(b)), high = std::max(Root(a), Root(b));
    parent_[high] = low;
  }

 private:
  std::vector<size_t> parent_;
};

}  // namespace

std::string_view LikenessName(Likeness likeness) {
  switch (likeness) {
    case Likeness::kExact:
      return "exact";
    case Likeness::kHash:
      return "hash";
    case Likeness::kEmbedding:
      return "embedding";
  }
  return "";
}

HashedPhotographs HashPhotographs(const Manifest& manifest, const ImageHashKind& kind,
                                  int threads) {
  const size_t n = manifest.items.size();
  HashedPhotographs hashed;
  hashed.states.assign(n, HashState::kUnreadable);
  hashed.hashes.assign(n, 0);
  hashed.sizes.assign(n, cv::Size());
  std::vector<std::string> errors(n);
  Progress progress("hash", static_cast<int64_t>(n));
  ParallelFor(static_cast<int64_t>(n), threads, [&](int64_t i, int) {
    try {
      const cv::Mat pixels = LoadSmall(manifest, manifest.items[i], &hashed.sizes[i]);
      hashed.hashes[i] = kind.hash(pixels);
      hashed.states[i] = IsFlat(pixels) ? HashState::kFlat : HashState::kHashed;
    } catch (const Error& error) {
      errors[i] = error.what();
    }
    progress.Advance();
  });
  for (size_t i = 0; i < n; ++i) {
    if (hashed.states[i] == HashState::kUnreadable)
      hashed.unreadable.push_back({manifest.items[i].path, manifest.items[i].line, errors[i]});
  }
  return hashed;
}

std::vector<DuplicatePair> PairsByHash(const Manifest& manifest, const HashedPhotographs& hashed,
                                       int radius, int threads) {
  std::map<uint64_t, Alike> items_of;
  for (size_t i = 0; i < manifest.items.size(); ++i) {
    if (hashed.states[i] != HashState::kUnreadable) items_of[hashed.hashes[i]].push_back(i);
  }
  std::vector<DuplicatePair> pairs;
  std::vector<uint64_t> codes;  // of photographs that are not flat
  std::vector<size_t> first;    // a photograph of each
  for (const auto& [hash, alike] : items_of) {
    if (alike.size() > 1) PairEqualHashes(manifest, hashed, alike, threads, &pairs);
    const auto found = std::find_if(alike.begin(), alike.end(), [&](size_t item) {
      return hashed.states[item] == HashState::kHashed;
    });
    if (found == alike.end()) continue;
    codes.push_back(hash);
    first.push_back(*found);
  }
  ForEachNearPair(codes, radius, [&](size_t i, size_t j, int distance) {
    const size_t a = std::min(first[i], first[j]), b = std::max(first[i], first[j]);
    if (manifest.items[a].path == manifest.items[b].path) return;
    pairs.push_back({a, b, Likeness::kHash, static_cast<double>(distance)});
  });
  return pairs;
}

std::vector<DuplicatePair> PairsByEmbedding(const Manifest& manifest, std::span<const size_t> rows,
                                            const std::vector<std::vector<Neighbor>>& neighbors,
                                            double min_cosine) {
  std::vector<DuplicatePair> pairs;
  for (size_t q = 0; q < rows.size(); ++q) {
    for (const Neighbor& neighbor : neighbors[q]) {
      const size_t a = rows[q], b = rows[static_cast<size_t>(neighbor.row)];
      if (neighbor.score < min_cosine || manifest.items[a].path == manifest.items[b].path) continue;
      pairs.push_back({std::min(a, b), std::max(a, b), Likeness::kEmbedding,
                       std::max(0.0, 1.0 - neighbor.score)});
    }
  }
  std::sort(pairs.begin(), pairs.end(), [](const DuplicatePair& x, const DuplicatePair& y) {
    return std::tie(x.a, x.b, x.distance) < std::tie(y.a, y.b, y.distance);
  });
  pairs.erase(std::unique(pairs.begin(), pairs.end(),
                          [](const DuplicatePair& x, const DuplicatePair& y) {
                            return x.a == y.a && x.b == y.b;
                          }),
              pairs.end());
  return pairs;
}

std::vector<std::vector<size_t>> GroupPairs(size_t items, std::span<const DuplicatePair> pairs) {
  Connected connected(items);
  for (const DuplicatePair& pair : pairs) connected.Join(pair.a, pair.b);
  std::map<size_t, std::vector<size_t>> members;
  for (size_t i = 0; i < items; ++i) members[connected.Root(i)].push_back(i);
  std::vector<std::vector<size_t>> groups;
  for (auto& [root, group] : members) {
    if (group.size() > 1) groups.push_back(std::move(group));
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const auto& a, const auto& b) { return a.size() > b.size(); });
  return groups;
}

DuplicateReport ReportDuplicates(const Items& items,
                                 const std::vector<std::vector<size_t>>& groups) {
  DuplicateReport report;
  report.groups = static_cast<int64_t>(groups.size());
  for (const std::vector<size_t>& group : groups) {
    std::set<std::string> splits, identities;
    for (size_t item : group) {
      if (!items[item].split.empty()) splits.insert(items[item].split);
      if (!items[item].identity.empty()) identities.insert(items[item].identity);
    }
    const auto size = static_cast<int64_t>(group.size());
    report.photos += size;
    report.surplus += size - 1;
    report.conflicting_groups += identities.size() > 1;
    if (splits.size() < 2) continue;
    ++report.leaking_groups;
    report.leaking_photos += std::count_if(group.begin(), group.end(), [&](size_t item) {
      return !items[item].split.empty() && items[item].split != "train";
    });
  }
  return report;
}

std::vector<bool> KeepOneOfEach(const Items& items, const std::vector<std::vector<size_t>>& groups,
                                std::span<const cv::Size> sizes) {
  std::vector<bool> keep(items.size(), true);
  const auto rank = [&](size_t item) {
    const int64_t area = int64_t{sizes[item].width} * sizes[item].height;
    return std::tuple(SplitRank(items[item].split), items[item].identity.empty(), -area,
                      std::string_view(items[item].path));
  };
  for (const std::vector<size_t>& group : groups) {
    const size_t best = *std::min_element(group.begin(), group.end(),
                                          [&](size_t a, size_t b) { return rank(a) < rank(b); });
    for (size_t item : group) keep[item] = item == best;
  }
  return keep;
}

std::string DuplicatesCsv(const Items& items, const std::vector<std::vector<size_t>>& groups,
                          std::span<const DuplicatePair> pairs) {
  std::unordered_map<size_t, std::pair<const DuplicatePair*, size_t>> nearest;
  const auto offer = [&](size_t item, size_t other, const DuplicatePair& pair) {
    const auto [found, fresh] = nearest.try_emplace(item, &pair, other);
    const DuplicatePair& best = *found->second.first;
    if (!fresh && std::tie(pair.likeness, pair.distance) < std::tie(best.likeness, best.distance))
      found->second = {&pair, other};
  };
  for (const DuplicatePair& pair : pairs) {
    offer(pair.a, pair.b, pair);
    offer(pair.b, pair.a, pair);
  }
  std::string csv = CsvLine({"group", "path", "identity", "split", "like", "likeness", "distance"});
  for (size_t group = 0; group < groups.size(); ++group) {
    for (size_t item : groups[group]) {
      const auto& [pair, other] = nearest.at(item);
      csv +=
          CsvLine({std::to_string(group + 1), items[item].path, items[item].identity,
                   items[item].split, items[other].path, std::string(LikenessName(pair->likeness)),
                   absl::StrFormat("%.6g", pair->distance)});
    }
  }
  return csv;
}

}  // namespace fluke
