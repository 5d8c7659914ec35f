#include "serve/pipeline/pipeline.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <span>
#include <utility>

#include "common/error.h"
#include "serve/pipeline/query_image.h"
#include "serve/pipeline/returning_callers.h"
#include "serve/status.h"

namespace fluke::serve {
namespace {

void Finish(std::unique_ptr<Query> query, absl::StatusOr<Neighbors> result) {
  query->done(std::move(result));
}

void Fail(std::unique_ptr<Query> query, const absl::Status& status) {
  if (query->embedded) {
    query->embedded(status);
  } else {
    query->done(status);
  }
}

// True when the query still wants an answer; otherwise it has been finished.
bool IsWanted(std::unique_ptr<Query>& query, std::string_view stage) {
  if (query->cancelled()) {
    Fail(std::move(query), absl::CancelledError(StrCat("cancelled before ", stage)));
    return false;
  }
  if (std::chrono::system_clock::now() >= query->deadline) {
    Fail(std::move(query), absl::DeadlineExceededError(StrCat("deadline exceeded before ", stage)));
    return false;
  }
  return true;
}

// Moves equal neighbours together and calls `run` on each group, in the order of arrival within a
// group.
template <typename T, typename Same, typename Run>
void ForEachGroup(std::span<T> items, Same same, Run run) {
  while (!items.empty()) {
    const auto end = std::stable_partition(
        items.begin() + 1, items.end(), [&](const T& item) { return same(items.front(), item); });
    const auto size = static_cast<size_t>(end - items.begin());
    run(items.first(size));
    items = items.subspan(size);
  }
}

// Excluded rows that are taken out here; the index takes out the first.
std::span<const int64_t> TakenOutHere(const Query& query) {
  const std::span<const int64_t> rows = query.exclude_rows;
  return rows.empty() ? rows : rows.subspan(1);
}

// With so many neighbours that enough stay.
SearchOptions OptionsOf(const Query& query) {
  SearchOptions options = query.options;
  options.k += static_cast<int>(TakenOutHere(query).size());
  return options;
}

bool SearchedAlike(const Query& a, const Query& b) {
  return a.version->index == b.version->index && OptionsOf(a) == OptionsOf(b);
}

}  // namespace

Pipeline::Pipeline(const PipelineOptions& options)
    : options_(options),
      cache_(options.embedding_cache_bytes),
      to_decode_(options.max_waiting_images, options.max_waiting_image_bytes),
      to_embed_(2 * options.max_embed_batch, options.max_decoded_bytes),
      to_search_(options.max_waiting_searches, UINT64_MAX) {
  for (int i = 0; i < std::max(1, options_.decode_workers); ++i) {
    decoders_.emplace_back([this] { DecodeLoop(); });
  }
  embedder_ = std::jthread([this] { EmbedLoop(); });
  searcher_ = std::jthread([this] { SearchLoop(); });
}

Pipeline::~Pipeline() {
  to_decode_.Close();
  decoders_.clear();  // joins
  to_embed_.Close();
  embedder_.join();
  to_search_.Close();
  searcher_.join();
}

void Pipeline::Submit(std::unique_ptr<Query> query) {
  const bool is_image = !query->image.empty();
  if (!IsWanted(query, is_image ? "decoding" : "search")) return;
  if (is_image) decoding_.fetch_add(1);
  const uint64_t bytes = query->image.size();
  query->queued_at = MetricClock::now();
  if (is_image ? to_decode_.TryPush(query, bytes) : to_search_.TryPush(query)) return;
  if (is_image) decoding_.fetch_sub(1);
  Fail(std::move(query),
       absl::ResourceExhaustedError(StrCat("too many ", is_image ? "image" : "vector",
                                           " queries are waiting; try again later")));
}

void Pipeline::DecodeLoop() {
  for (;;) {
    Batch batch = to_decode_.PopBatch(1);
    if (batch.empty()) return;
    ObserveSince(options_.metrics.decode_wait_seconds, batch.front()->queued_at);
    DecodedQuery decoded{.query = std::move(batch.front()), .pixels = {}, .key = {}};
    const bool is_decoded = Decode(&decoded);
    // Before the push, so that a lone image finds nothing to wait for.
    decoding_.fetch_sub(1);
    // Waits while too many pixels wait; the queue is closed only after this thread has ended.
    if (!is_decoded) continue;
    decoded.query->queued_at = MetricClock::now();
    to_embed_.Push(decoded, decoded.pixels.total() * decoded.pixels.elemSize());
  }
}

// False when the query has been finished instead.
bool Pipeline::Decode(DecodedQuery* decoded) {
  std::unique_ptr<Query>& query = decoded->query;
  if (!IsWanted(query, "decoding")) return false;
  if (options_.embedding_cache_bytes > 0) decoded->key = EmbeddingCache::KeyOf(*query);
  const EmbeddingCache::Found found = cache_.Find(decoded->key, query);
  if (options_.embedding_cache_bytes > 0) {
    Count(found == EmbeddingCache::Found::kNothing ? options_.metrics.embedding_cache_misses
                                                   : options_.metrics.embedding_cache_hits);
  }
  switch (found) {
    case EmbeddingCache::Found::kVector:
      PassOn(std::move(query));
      return false;
    case EmbeddingCache::Found::kWaiting:
      return false;
    case EmbeddingCache::Found::kNothing:
      break;
  }
  const MetricClock::time_point begin = MetricClock::now();
  try {
    decoded->pixels =
        DecodeQueryImage(query->image, query->crop, query->version->embedder->min_side_px(),
                         options_.max_image_pixels);
    ObserveSince(options_.metrics.decode_seconds, begin);
    return true;
  } catch (...) {
    Fail(std::move(query), StatusOf(std::current_exception(), "decoding"));
    Abandon(decoded->key);
    return false;
  }
}

void Pipeline::EmbedLoop() {
  for (;;) {
    std::vector<DecodedQuery> batch = to_embed_.PopBatch(
        options_.max_embed_batch, options_.max_queue_delay_us,
        [this] { return decoding_.load() > 0; }, options_.preferred_embed_batches);
    if (batch.empty()) return;
    for (const DecodedQuery& decoded : batch) {
      ObserveSince(options_.metrics.embed_wait_seconds, decoded.query->queued_at);
    }
    std::erase_if(batch, [this](DecodedQuery& decoded) {
      if (IsWanted(decoded.query, "embedding")) return false;
      Abandon(decoded.key);
      return true;
    });
    ForEachGroup(
        std::span(batch),
        [](const DecodedQuery& a, const DecodedQuery& b) {
          return a.query->version->embedder == b.query->version->embedder;
        },
        [this](std::span<DecodedQuery> group) { Embed(group); });
  }
}

void Pipeline::Embed(std::span<DecodedQuery> group) {
  const Embedder& embedder = *group.front().query->version->embedder;
  const auto dimension = static_cast<size_t>(embedder.dimension());
  std::vector<cv::Mat> images;
  for (const DecodedQuery& decoded : group) images.push_back(decoded.pixels);
  std::vector<float> vectors(group.size() * dimension);
  ObserveValue(options_.metrics.embed_batch_size, static_cast<double>(group.size()));
  const MetricClock::time_point begin = MetricClock::now();
  try {
    embedder.Embed(images, vectors.data());
    if (!std::ranges::all_of(vectors, [](float v) { return std::isfinite(v); })) {
      Throw(absl::StatusCode::kInternal, "the model made a vector that is not finite");
    }
  } catch (...) {
    if (group.size() > 1) {
      for (DecodedQuery& decoded : group) Embed({&decoded, 1});
      return;
    }
    Fail(std::move(group.front().query), StatusOf(std::current_exception(), "embedding"));
    Abandon(group.front().key);
    return;
  }
  ObserveSince(options_.metrics.embed_seconds, begin);
  for (size_t i = 0; i < group.size(); ++i) {
    std::unique_ptr<Query>& query = group[i].query;
    query->vector.assign(vectors.begin() + static_cast<int64_t>(i * dimension),
                         vectors.begin() + static_cast<int64_t>((i + 1) * dimension));
    for (auto& waiting : cache_.Made(group[i].key, query->vector)) PassOn(std::move(waiting));
    PassOn(std::move(query));
  }
}

void Pipeline::PassOn(std::unique_ptr<Query> query) {
  if (query->embedded) {
    query->embedded(std::move(query->vector));
  } else {
    query->queued_at = MetricClock::now();
    to_search_.Push(query);  // closed only after the threads before it have ended
  }
}

void Pipeline::Abandon(const std::string& key) {
  for (auto& waiting : cache_.Failed(key)) Submit(std::move(waiting));
}

void Pipeline::Search(std::span<std::unique_ptr<Query>> group) const {
  const ServedVersion& version = *group.front()->version;
  const SearchOptions options = OptionsOf(*group.front());
  std::vector<float> vectors;
  std::vector<int64_t> exclude_rows;
  std::vector<QueryPhotograph> photographs;
  vectors.reserve(group.size() * static_cast<size_t>(version.info.dimension));
  for (const auto& query : group) {
    vectors.insert(vectors.end(), query->vector.begin(), query->vector.end());
    exclude_rows.push_back(query->exclude_rows.empty() ? -1 : query->exclude_rows.front());
    photographs.push_back({.image = query->image, .crop = query->crop, .item_id = query->item_id});
  }
  std::vector<Neighbors> found;
  ObserveValue(options_.metrics.search_batch_size, static_cast<double>(group.size()));
  const MetricClock::time_point begin = MetricClock::now();
  try {
    found = version.index->SearchPhotographs(vectors, options, exclude_rows, photographs);
    if (found.size() != group.size()) Throw(absl::StatusCode::kInternal, "answers are missing");
  } catch (...) {
    // One query's fault must not fail the others.
    if (group.size() > 1) {
      for (auto& query : group) Search({&query, 1});
      return;
    }
    Fail(std::move(group.front()), StatusOf(std::current_exception(), "search"));
    return;
  }
  ObserveSince(options_.metrics.search_seconds, begin);
  for (size_t i = 0; i < group.size(); ++i) {
    Neighbors& neighbors = found[i];
    const Query& query = *group[i];
    const std::span<const int64_t> taken_out = TakenOutHere(query);
    std::erase_if(neighbors, [&](const Neighbor& neighbor) {
      return std::ranges::find(taken_out, neighbor.row) != taken_out.end();
    });
    if (neighbors.size() > static_cast<size_t>(query.options.k)) {
      neighbors.resize(static_cast<size_t>(query.options.k));
    }
    Finish(std::move(group[i]), std::move(neighbors));
  }
}

void Pipeline::SearchLoop() {
  ReturningCallers callers(options_.max_search_batch, options_.max_queue_delay_us);
  for (;;) {
    const ReturningCallers::Wait wait = callers.Next();
    if (wait.queries > 1) callers.Came(wait, to_search_.Await(wait.queries, wait.at_most));
    Batch batch = to_search_.PopBatch(options_.max_search_batch);
    if (batch.empty()) return;
    const size_t size = batch.size();
    const MetricClock::time_point begin = MetricClock::now();
    for (const auto& query : batch) {
      ObserveSince(options_.metrics.search_wait_seconds, query->queued_at);
    }
    std::erase_if(batch, [](std::unique_ptr<Query>& query) { return !IsWanted(query, "search"); });
    ForEachGroup(
        std::span(batch),
        [](const std::unique_ptr<Query>& a, const std::unique_ptr<Query>& b) {
          return SearchedAlike(*a, *b);
        },
        [this](std::span<std::unique_ptr<Query>> group) { Search(group); });
    callers.Answered(
        size, to_search_.size(),
        std::chrono::duration_cast<std::chrono::microseconds>(MetricClock::now() - begin));
  }
}

}  // namespace fluke::serve
