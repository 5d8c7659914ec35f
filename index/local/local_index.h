// The local evidence of a gallery, opened for search: which photographs show the same texture as a
// query, where, and how strongly. Needs no training and no embeddings. What came after the files
// were written (live_local_index.h) is searched beside them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "common/item.h"
#include "common/local/geometry.h"
#include "common/local/key_points.h"
#include "fluke/v1/storage.pb.h"
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

// Thread-safe; its files are mapped and stay readable when the folder is replaced.
class LocalIndex {
 public:
  // With what the log has. Throws NotFound where the index folder has no local evidence, DataLoss
  // where it is damaged.
  explicit LocalIndex(const std::filesystem::path& index);

  // A record of the log: removed, put, then updated items. Searches see each photograph at once.
  void Apply(int64_t sequence, const v1::ChangeRecord& record);
  int64_t sequence() const;  // of the last record, 0: none

  const LocalManifest& manifest() const { return files_.manifest; }  // of the files
  // Photographs are numbered in the order in which they came; those that were replaced or removed
  // keep theirs, but no search finds them and no id leads to them.
  int64_t photos() const;
  int64_t points() const;  // key points of all those
  Item item(int64_t photo) const;
  // The same number, 0 or more, for the same individual; -1 where it is unknown.
  int32_t identity_number(int64_t photo) const;
  std::optional<int64_t> FindPhoto(std::string_view id) const;
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
  // What was said of a photograph after the files were written.
  struct Known {
    Item item;
    int32_t identity = -1;  // its number
  };

  void Forget(std::string_view id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Put(Item item, LocalFeatures features) ABSL_LOCKS_EXCLUDED(mutex_);
  Known KnownOf(Item item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<int64_t> Find(std::string_view id) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  int32_t IdentityOf(int64_t photo) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  DescriptorRange PointsOf(int64_t photo) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  LocalFeatures FeaturesOf(int64_t photo) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  std::vector<PhotoVotes> Vote(const LocalFeatures& query, const LocalSearchOptions& options,
                               int64_t left_out) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  LocalHit Verified(const LocalFeatures& query, PhotoVotes votes,
                    const LocalSearchOptions& options) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Best individual first, of each the best photograph first.
  void RankByIndividual(const LocalSearchOptions& options, std::vector<LocalHit>* hits) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const LocalFiles files_;
  const ItemTable items_;  // of the files

  mutable std::shared_mutex mutex_;
  int64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<int64_t> first_point_ ABSL_GUARDED_BY(mutex_);  // photos + 1
  std::unique_ptr<DescriptorIndex> descriptors_ ABSL_GUARDED_BY(mutex_);
  std::vector<LocalFeatures> added_ ABSL_GUARDED_BY(mutex_);  // of the photographs after the files'
  absl::flat_hash_map<std::string, int64_t> photo_of_id_
      ABSL_GUARDED_BY(mutex_);  // of ids that came or went since; -1: it has none
  absl::flat_hash_map<int64_t, Known> known_ ABSL_GUARDED_BY(mutex_);  // by photograph
  absl::flat_hash_map<std::string, int32_t> new_identities_ ABSL_GUARDED_BY(mutex_);
  std::vector<DescriptorRange> gone_ ABSL_GUARDED_BY(mutex_);  // ascending by begin
};

}  // namespace fluke
