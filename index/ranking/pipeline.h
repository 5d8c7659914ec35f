// An index that ranks by a pipeline of steps: the same seam before and behind, so that whoever
// searches an index may search this one instead.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "common/vector_index.h"
#include "fluke/v1/config.pb.h"
#include "index/ranking/step.h"

namespace fluke::ranking {

struct Pipeline {
  v1::RankingPipeline config;
  std::filesystem::path file;  // names it in errors; paths in it are relative to its folder
};

// Throws InvalidArgument, naming file, line and step, for what cannot be a pipeline of any gallery:
// an entry of no or of several steps, a step that changes vectors after one that ranks.
Pipeline LoadPipeline(const std::filesystem::path& file);

// `index` behind the steps. Prepares what they keep of the gallery: seconds for a large one. Items,
// rows, vectors and counts are those of `index`; Search gives the pipeline's ranking and scores, of
// which options.min_score speaks. Throws InvalidArgument, naming the step, where it does not fit.
// `folder`: of the index.
std::shared_ptr<const VectorIndex> RankWith(const Pipeline& pipeline,
                                            std::shared_ptr<const VectorIndex> index,
                                            const std::filesystem::path& folder);

// The same of an index that changes: every version is behind the steps, which are prepared anew
// when a version is first searched. With a step `local_evidence`, photographs that come
// (UpsertPhotographs) and go do so in the index's local evidence, too; an index without items
// begins with none. `index` holds the lock of `folder`.
std::shared_ptr<LiveIndex> RankLiveWith(const Pipeline& pipeline, std::shared_ptr<LiveIndex> index,
                                        const std::filesystem::path& folder);

}  // namespace fluke::ranking
