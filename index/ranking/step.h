// A step of a ranking pipeline: what it is given, what it makes of it, and how one is made.
//
// To add one: a message and a field of RankingStep in config.proto, a file in steps/, a row in
// steps.cc. Each query goes through the steps on its own: what else is asked at the same time
// changes nothing, so that a search offline and a server give the same.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "common/vector_index.h"
#include "fluke/v1/config.pb.h"
#include "index/local/local_index.h"
#include "index/ranking/gallery.h"

namespace fluke::ranking {

// One query on its way through the steps.
struct QueryState {
  std::vector<float> vector;  // gallery.dimension() values, unit length
  int64_t without = -1;       // row that is taken as not in the gallery: the query itself
  QueryPhotograph photograph = {};
  std::vector<Neighbor> ranking = {};  // best first; rows differ
};

// What the steps of one search share.
struct StepScope {
  const Gallery& gallery;
  const SearchOptions&
      options;  // `filter` narrows what may be found; `k` is the depth of the ranking
};

// Made for one gallery. Immutable; thread-safe.
class Step {
 public:
  virtual ~Step() = default;
  // How deep a ranking it must be given where the best `k` of what it makes are wanted.
  virtual int64_t DepthFor(int64_t k) const { return k; }
  // VectorIndex::Match; nothing where the step does not look at photographs.
  using Matches = std::vector<std::vector<MatchedRegions>>;
  virtual std::optional<Matches> Match(const VectorIndex& /*index*/,
                                       const QueryPhotograph& /*photograph*/,
                                       std::span<const int64_t> /*rows*/,
                                       int64_t /*without*/) const {
    return std::nullopt;
  }
  // Takes each query's ranking and vector to those after the step, best first, equal scores by row.
  virtual void Apply(const StepScope& scope, std::span<QueryState> queries) const = 0;
};

// What a step may need beside its own settings.
struct StepContext {
  std::filesystem::path pipeline_folder;  // that paths in the pipeline are relative to
  std::filesystem::path index_folder;     // of the index, for what lies beside it; empty: unknown
  // The index's local evidence where it is open already; null: it is opened from the folder.
  std::shared_ptr<const LocalIndex> local = {};
};

struct StepRow {
  std::string_view name;  // as the field of RankingStep
  std::string_view help;
  // One of the two is set. Both throw InvalidArgument for settings that do not fit the gallery, and
  // may take long: they make what the step keeps of the gallery.
  std::shared_ptr<const Gallery> (*make_gallery)(const v1::RankingStep& settings,
                                                 std::shared_ptr<const Gallery> gallery,
                                                 const StepContext& context);
  std::unique_ptr<const Step> (*make_step)(const v1::RankingStep& settings,
                                           std::shared_ptr<const Gallery> gallery,
                                           const StepContext& context);
};

// In the order in which they usually stand.
std::span<const StepRow> Steps();

}  // namespace fluke::ranking
