// The local evidence of a gallery, opened for search: which photographs show the same texture as a
// query, where, and how strongly. Needs no training and no embeddings.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "common/item.h"
#include "common/local/geometry.h"
#include "common/local/key_points.h"
#include "index/item_table.h"
#include "index/local/descriptor_index.h"
#include "index/local/lnbnn.h"
#include "index/local/local_files.h"

namespace fluke {

// Defaults by tests/bench/local_evidence.py.
struct LocalSearchOptions {
  int neighbors = 3;  // k of LNBNN: descriptors that a key point votes for
  int nprobe = 0;     // lists of descriptors visited; 0 = kDefaultProbes
  int verify = 50;    // of the best photographs, so many are verified geometrically; 0: none
  GeometryOptions geometry = {};
  // In a search: a photograph scores what its individual does (IndividualScores of the pairs
  // below).
  bool by_individual = false;
};

// What is not verified counts so little beside what is.
inline constexpr double kUnverifiedShare = 1e-3;

struct LocalHit {
  int64_t photo = 0;  // its row in the local evidence
  // Sum of the weights of the pairs that fit one map. Where none do, or it was not among those to
  // be verified, kUnverifiedShare of the sum of all votes for it; that sum where nothing is
  // verified (LocalSearchOptions::verify 0).
  double score = 0;
  bool verified = false;         // the pairs below fit one map
  std::vector<PointPair> pairs;  // what speaks for it: key points of the query and of the photo
};

// Immutable, thread-safe; its files are mapped and stay readable when the folder is replaced.
class LocalIndex {
 public:
  // Throws NotFound where the index folder has no local evidence, DataLoss where it is damaged.
  explicit LocalIndex(const std::filesystem::path& index);

  const LocalManifest& manifest() const { return files_.manifest; }
  int64_t photos() const { return manifest().photos; }
  Item item(int64_t photo) const { return items_.item(photo); }
  // The same number, 0 or more, for the same individual; -1 where it is unknown.
  int32_t identity_number(int64_t photo) const { return items_.identity_number(photo); }
  std::optional<int64_t> FindPhoto(std::string_view id) const { return items_.FindId(id); }
  LocalFeatures features(int64_t photo) const;

  // Photographs that have a vote, best first. left_out: a photograph that gets none (the query
  // itself), -1: none.
  std::vector<LocalHit> Search(const LocalFeatures& query, const LocalSearchOptions& options,
                               int64_t left_out = -1) const;

  // The local scores of a shortlist that something else gave, in its order; a photograph without
  // any evidence scores 0. All of it is verified unless options.verify is 0.
  std::vector<LocalHit> Score(const LocalFeatures& query, std::span<const int64_t> shortlist,
                              const LocalSearchOptions& options, int64_t left_out = -1) const;

 private:
  std::vector<PhotoVotes> Vote(const LocalFeatures& query, const LocalSearchOptions& options,
                               int64_t left_out) const;
  LocalHit Verified(const LocalFeatures& query, PhotoVotes votes,
                    const LocalSearchOptions& options) const;
  // Best individual first, of each the best photograph first.
  void RankByIndividual(const LocalSearchOptions& options, std::vector<LocalHit>* hits) const;

  LocalFiles files_;
  ItemTable items_;
  std::vector<int64_t> first_point_;  // photos + 1
  std::unique_ptr<const DescriptorIndex> descriptors_;
};

}  // namespace fluke
