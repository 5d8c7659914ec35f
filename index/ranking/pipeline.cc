#include "index/ranking/pipeline.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "common/config.h"
#include "common/error.h"
#include "common/table.h"
#include "index/local/local_index.h"
#include "index/local/photograph_keeper.h"
#include "index/ranking/gallery.h"
#include "index/similarity.h"

namespace fluke::ranking {
namespace {

namespace fs = std::filesystem;

// The row of the step that is set. Throws InvalidArgument unless it is one.
const StepRow& RowOf(const v1::RankingStep& step) {
  std::vector<const google::protobuf::FieldDescriptor*> set;
  step.GetReflection()->ListFields(step, &set);
  if (set.size() != 1) {
    InvalidArgument(
        "expected one step, found ", set.size(),
        "; `query_expansion: {}` has its defaults; known: ", StrJoin(Names(Steps()), ", "));
  }
  return Find(Steps(), "step", set.front()->name());
}

std::string StepPath(int i) { return StrCat("steps[", i, "]"); }

bool LooksAtKeyPoints(const Pipeline& pipeline) {
  return std::ranges::any_of(pipeline.config.steps(), &v1::RankingStep::has_local_evidence);
}

// A gallery with the steps that rank in it.
class Prepared {
 public:
  Prepared(const Pipeline& pipeline, std::shared_ptr<const VectorIndex> index,
           const fs::path& folder, std::shared_ptr<const LocalIndex> local)
      : gallery_(GalleryOf(std::move(index))), rows_(RowLimit(gallery_->index())) {
    const StepContext context = {.pipeline_folder = fs::absolute(pipeline.file).parent_path(),
                                 .index_folder = folder,
                                 .local = std::move(local)};
    for (int i = 0; i < pipeline.config.steps_size(); ++i) {
      const v1::RankingStep& settings = pipeline.config.steps(i);
      const StepRow& row = RowOf(settings);
      try {
        if (row.make_gallery != nullptr) {
          gallery_ = row.make_gallery(settings, gallery_, context);
        } else {
          steps_.push_back(row.make_step(settings, gallery_, context));
        }
      } catch (const Error& error) {
        Throw(error.code(), pipeline.file.string(), ": ", StepPath(i), ".", row.name, ": ",
              error.what());
      }
    }
  }

  const Gallery& gallery() const { return *gallery_; }
  int64_t rows() const { return rows_; }

  // The `depth` best of each query: of those that may be found, so many or all.
  void Rank(const SearchOptions& options, int64_t depth, std::span<QueryState> queries) const {
    const int64_t size = std::max<int64_t>(1, rows_);
    std::vector<int64_t> depths(steps_.size() + 1, std::min(depth, size));  // before each step
    for (size_t i = steps_.size(); i > 0; --i) {
      depths[i - 1] = std::clamp<int64_t>(steps_[i - 1]->DepthFor(depths[i]), 1, size);
    }
    SearchOptions wanted = options;
    wanted.k = static_cast<int>(depths.front());
    Start(wanted, queries);
    for (size_t i = 0; i < steps_.size(); ++i) {
      wanted.k = static_cast<int>(depths[i + 1]);
      steps_[i]->Apply({.gallery = *gallery_, .options = wanted}, queries);
      for (QueryState& query : queries) {
        if (query.ranking.size() > static_cast<size_t>(wanted.k)) {
          query.ranking.resize(static_cast<size_t>(wanted.k));
        }
      }
    }
  }

  // Of the first step that looks at photographs.
  std::optional<Step::Matches> Match(const QueryPhotograph& photograph,
                                     std::span<const int64_t> rows, int64_t without) const {
    for (const auto& step : steps_) {
      if (auto matches = step->Match(gallery_->index(), photograph, rows, without)) return matches;
    }
    return std::nullopt;
  }

 private:
  void Start(const SearchOptions& options, std::span<QueryState> queries) const {
    std::vector<float> vectors;
    std::vector<int64_t> without;
    for (const QueryState& query : queries) {
      vectors.insert(vectors.end(), query.vector.begin(), query.vector.end());
      without.push_back(query.without);
    }
    Rankings rankings = gallery_->Search(vectors, options, without);
    for (size_t i = 0; i < queries.size(); ++i) queries[i].ranking = std::move(rankings[i]);
  }

  std::shared_ptr<const Gallery> gallery_;
  int64_t rows_;
  std::vector<std::unique_ptr<const Step>> steps_;
};

// Thread-safe. What the steps keep of the gallery is made when it is first needed.
class RankedIndex : public VectorIndex {
 public:
  // local: as StepContext.
  RankedIndex(Pipeline pipeline, std::shared_ptr<const VectorIndex> index, fs::path folder,
              std::shared_ptr<const LocalIndex> local)
      : pipeline_(std::move(pipeline)),
        index_(std::move(index)),
        folder_(std::move(folder)),
        local_(std::move(local)) {}

  const Prepared& Prepare() const {
    const std::lock_guard lock(mutex_);
    if (prepared_ == nullptr) {
      prepared_ = std::make_unique<const Prepared>(pipeline_, index_, folder_, local_);
    }
    return *prepared_;
  }

  Rankings Search(std::span<const float> queries, const SearchOptions& options,
                  std::span<const int64_t> exclude_rows) const override {
    return SearchPhotographs(queries, options, exclude_rows, {});
  }

  Rankings SearchPhotographs(std::span<const float> queries, const SearchOptions& options,
                             std::span<const int64_t> exclude_rows,
                             std::span<const QueryPhotograph> photographs) const override {
    CheckOptions(options);
    const Prepared& prepared = Prepare();
    std::vector<QueryState> states = StatesOf(prepared, queries, exclude_rows, photographs);
    if (options.one_per_identity) {
      for (QueryState& state : states) RankIdentities(prepared, options, state);
    } else {
      prepared.Rank(options, options.k, states);
    }
    Rankings rankings;
    for (QueryState& state : states) {
      rankings.push_back(std::move(state.ranking));
      std::erase_if(rankings.back(),
                    [&](const Neighbor& n) { return !(n.score >= options.min_score); });
    }
    return rankings;
  }

  std::vector<std::vector<MatchedRegions>> Match(const QueryPhotograph& photograph,
                                                 std::span<const int64_t> rows,
                                                 int64_t without) const override {
    if (auto matches = Prepare().Match(photograph, rows, without)) return *std::move(matches);
    return VectorIndex::Match(photograph, rows, without);
  }

  IndexInfo Describe() const override {
    IndexInfo info = index_->Describe();
    info.matches_regions = LooksAtKeyPoints(pipeline_);
    return info;
  }
  Item item(int64_t row) const override { return index_->item(row); }
  void ForEachRow(const std::function<void(int64_t row)>& visit) const override {
    index_->ForEachRow(visit);
  }
  std::optional<int64_t> FindItem(std::string_view id) const override {
    return index_->FindItem(id);
  }
  std::vector<float> vector(int64_t row) const override { return index_->vector(row); }
  int64_t Count(const Filter* filter) const override { return index_->Count(filter); }
  std::vector<int64_t> NextById(const Filter* filter, std::string_view after_id,
                                int64_t count) const override {
    return index_->NextById(filter, after_id, count);
  }
  std::vector<FacetValue> Facet(std::string_view field, const Filter* filter) const override {
    return index_->Facet(field, filter);
  }

 private:
  static void CheckOptions(const SearchOptions& options) {
    if (options.k < 1) InvalidArgument("k is ", options.k, ", expected at least 1");
    if (std::isnan(options.min_score)) InvalidArgument("min_score is not a number");
  }

  std::vector<QueryState> StatesOf(const Prepared& prepared, std::span<const float> queries,
                                   std::span<const int64_t> exclude_rows,
                                   std::span<const QueryPhotograph> photographs) const {
    const auto from = static_cast<size_t>(index_->Describe().dimension);
    if (queries.size() % from != 0) {
      InvalidArgument("query of ", queries.size(), " values, expected the index's dimension, ",
                      from, ", or a multiple of it");
    }
    const size_t n = queries.size() / from;
    if (!exclude_rows.empty() && exclude_rows.size() != n) {
      InvalidArgument(exclude_rows.size(), " rows to exclude for ", n, " queries");
    }
    if (!photographs.empty() && photographs.size() != n) {
      InvalidArgument(photographs.size(), " photographs for ", n, " queries");
    }
    std::vector<float> unit(queries.begin(), queries.end());
    for (size_t q = 0; q < n; ++q) {
      const auto query = std::span(unit).subspan(q * from, from);
      if (const std::string defect = VectorDefect(Similarity::kCosine, query); !defect.empty()) {
        InvalidArgument("query ", q, ": ", defect);
      }
      Normalise(Similarity::kCosine, query);
    }
    const std::vector<float> made = prepared.gallery().Queries(unit);
    const auto to = static_cast<size_t>(prepared.gallery().dimension());
    const int64_t rows = prepared.rows();
    std::vector<QueryState> states(n);
    for (size_t q = 0; q < n; ++q) {
      const auto vector = std::span(made).subspan(q * to, to);
      states[q].vector.assign(vector.begin(), vector.end());
      if (!exclude_rows.empty()) states[q].without = exclude_rows[q];
      if (states[q].without >= rows) {
        Throw(absl::StatusCode::kOutOfRange, "row ", states[q].without, " of an index of ", rows);
      }
      if (!photographs.empty()) states[q].photograph = photographs[q];
    }
    return states;
  }

  // The best of each of k individuals: ranks deeper as long as there are fewer among them.
  void RankIdentities(const Prepared& prepared, const SearchOptions& options,
                      QueryState& query) const {
    const QueryState asked = query;
    for (int64_t depth = 4 * static_cast<int64_t>(options.k);; depth *= 4) {
      query = asked;
      prepared.Rank(options, depth, {&query, 1});
      const bool is_all = static_cast<int64_t>(query.ranking.size()) < depth;
      absl::flat_hash_set<std::string> seen;
      std::erase_if(query.ranking, [&](const Neighbor& neighbor) {
        std::string identity = index_->item(neighbor.row).identity;
        return !identity.empty() && !seen.insert(std::move(identity)).second;
      });
      const auto k = static_cast<size_t>(options.k);
      if (query.ranking.size() < k && !is_all) continue;
      query.ranking.resize(std::min(query.ranking.size(), k));
      return;
    }
  }

  const Pipeline pipeline_;
  const std::shared_ptr<const VectorIndex> index_;
  const fs::path folder_;
  const std::shared_ptr<const LocalIndex> local_;
  mutable std::mutex mutex_;
  mutable std::unique_ptr<const Prepared> prepared_ ABSL_GUARDED_BY(mutex_);
};

class RankedLiveIndex : public LiveIndex {
 public:
  RankedLiveIndex(Pipeline pipeline, std::shared_ptr<LiveIndex> live, fs::path folder)
      : pipeline_(std::move(pipeline)), live_(std::move(live)), folder_(std::move(folder)) {
    if (LooksAtKeyPoints(pipeline_)) local_.emplace(*live_, folder_);
  }

  std::shared_ptr<const VectorIndex> Current() const override {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<const VectorIndex> behind = live_->Current();
    std::shared_ptr<const LocalIndex> local = local_ ? local_->Current() : nullptr;
    if (behind != behind_ || local != behind_local_) {
      ranked_ = std::make_shared<const RankedIndex>(pipeline_, behind, folder_, local);
      behind_ = std::move(behind);
      behind_local_ = std::move(local);
    }
    return ranked_;
  }
  void Upsert(const std::vector<Item>& items, std::span<const float> vectors) override {
    UpsertPhotographs(items, vectors, std::vector<QueryPhotograph>(items.size()));
  }
  void UpsertPhotographs(const std::vector<Item>& items, std::span<const float> vectors,
                         std::span<const QueryPhotograph> photographs) override {
    if (!local_) return live_->Upsert(items, vectors);
    local_->Change(items, photographs, [&] { live_->Upsert(items, vectors); });
  }
  int64_t Remove(const std::vector<std::string>& ids) override {
    const int64_t removed = live_->Remove(ids);
    if (local_) local_->Remove(ids);
    return removed;
  }
  void Update(const std::vector<Item>& items) override {
    live_->Update(items);
    if (local_) local_->Update(items);
  }
  int64_t Compact() override {
    const int64_t snapshot = live_->Compact();
    if (local_) local_->Compact();
    return snapshot;
  }

 private:
  const Pipeline pipeline_;
  const std::shared_ptr<LiveIndex> live_;
  const fs::path folder_;
  std::optional<PhotographKeeper> local_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const VectorIndex> behind_ ABSL_GUARDED_BY(mutex_);
  mutable std::shared_ptr<const LocalIndex> behind_local_ ABSL_GUARDED_BY(mutex_);
  mutable std::shared_ptr<const RankedIndex> ranked_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

Pipeline LoadPipeline(const fs::path& file) {
  Pipeline pipeline{.config = {}, .file = file};
  const ConfigSource source = LoadConfig(file, {}, &pipeline.config);
  std::string_view ranks;  // a step that ranks, above
  for (int i = 0; i < pipeline.config.steps_size(); ++i) {
    try {
      const StepRow& row = RowOf(pipeline.config.steps(i));
      if (row.make_gallery == nullptr) {
        ranks = row.name;
      } else if (!ranks.empty()) {
        InvalidArgument(row.name, " changes the gallery's vectors: it must stand before ", ranks,
                        ", which ranks");
      }
    } catch (const Error& error) {
      InvalidArgument(source.Where(StepPath(i)), ": ", error.what());
    }
  }
  return pipeline;
}

std::shared_ptr<const VectorIndex> RankWith(const Pipeline& pipeline,
                                            std::shared_ptr<const VectorIndex> index,
                                            const fs::path& folder) {
  auto ranked = std::make_shared<const RankedIndex>(pipeline, std::move(index), folder, nullptr);
  ranked->Prepare();
  return ranked;
}

std::shared_ptr<LiveIndex> RankLiveWith(const Pipeline& pipeline, std::shared_ptr<LiveIndex> index,
                                        const fs::path& folder) {
  return std::make_shared<RankedLiveIndex>(pipeline, std::move(index), folder);
}

}  // namespace fluke::ranking
