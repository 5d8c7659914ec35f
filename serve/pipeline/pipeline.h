// Queries go through bounded stages, each with its own threads: decode -> embed -> search; a vector
// query enters at search. Whatever waits together is embedded and searched together.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "common/manifest.h"
#include "serve/bounded_queue.h"
#include "serve/collections/served_version.h"
#include "serve/metrics.h"
#include "serve/pipeline/embedding_cache.h"
#include "serve/retrieval/examples.h"

namespace fluke::serve {

using Neighbors = std::vector<Neighbor>;

struct Query {
  std::shared_ptr<const ServedVersion> version;
  // An encoded photograph, which must outlive the query; empty: `vector` is the query. Needs a
  // version with an embedder.
  std::string_view image;
  std::optional<Box> crop;  // of `image`
  std::string item_id;      // of the item whose vector is the query; "" = none
  std::vector<float>
      vector;  // version->info.dimension finite values; for an image filled on the way
  // What `vector` is to be made of, for a query of examples; these go by SubmitQuery
  // (submit_query.h).
  std::vector<Example> like, unlike;
  SearchOptions options;
  std::shared_ptr<const Filter> filter;  // what options.filter points to
  // Left out of the answer. With options.one_per_identity at most one: where an individual's best
  // photograph is taken out afterwards, its next best is not at hand.
  std::vector<int64_t> exclude_rows;

  // Both are looked at before each stage: an expired or cancelled query costs nothing more.
  std::chrono::system_clock::time_point deadline = std::chrono::system_clock::time_point::max();
  std::function<bool()> cancelled = [] { return false; };
  MetricClock::time_point queued_at = {};  // in the queue where it is or was last; the pipeline's
  // One of the two is set; it is called exactly once, from a thread of the pipeline or from Submit,
  // and must neither block nor throw. `embedded`: of an image whose vector is all that is wanted.
  std::function<void(absl::StatusOr<Neighbors>)> done;
  std::function<void(absl::StatusOr<std::vector<float>>)> embedded;
};

struct PipelineOptions {
  int decode_workers = 2;
  int64_t max_image_pixels = 50'000'000;
  size_t max_waiting_images = 256;               // not decoded yet
  uint64_t max_waiting_image_bytes = 256 << 20;  // their encoded bytes
  uint64_t max_decoded_bytes =
      1024 << 20;  // pixels that wait for the model; decoding waits when there are more
  size_t max_embed_batch = 16;
  // Ascending, each at most max_embed_batch: a batch of such a size does not wait for more, and one
  // that is larger is cut down to the next of them.
  std::vector<size_t> preferred_embed_batches = {};
  std::chrono::microseconds max_queue_delay_us{
      2000};                         // a batch waits this long for images that are being decoded
  size_t embedding_cache_bytes = 0;  // embedding_cache.h
  size_t max_waiting_searches = 4096;
  size_t max_search_batch = 64;
  StageMetrics metrics = {};  // what it points to outlives the pipeline
};

// Thread-safe.
class Pipeline {
 public:
  explicit Pipeline(const PipelineOptions& options);
  // Answers everything that was submitted, then returns.
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Never blocks: when the first stage's queue is full, the query is answered RESOURCE_EXHAUSTED at
  // once.
  void Submit(std::unique_ptr<Query> query);

  int64_t max_image_pixels() const { return options_.max_image_pixels; }

  // How many wait before each stage, and what the cache holds.
  size_t waiting_images() const { return to_decode_.size(); }
  size_t waiting_pixels() const { return to_embed_.size(); }
  size_t waiting_searches() const { return to_search_.size(); }
  size_t embedding_cache_bytes() const { return cache_.bytes(); }

 private:
  using Batch = std::vector<std::unique_ptr<Query>>;
  struct DecodedQuery {
    std::unique_ptr<Query> query;
    cv::Mat pixels;
    std::string key;  // in the cache
  };

  void DecodeLoop();
  void EmbedLoop();
  void SearchLoop();
  bool Decode(DecodedQuery* decoded);
  void Search(std::span<std::unique_ptr<Query>> group) const;
  void Embed(std::span<DecodedQuery> group);
  // The query has its vector.
  void PassOn(std::unique_ptr<Query> query);
  // A photograph whose vector others may wait for got none: they begin anew.
  void Abandon(const std::string& key);

  const PipelineOptions options_;
  EmbeddingCache cache_;
  std::atomic<int64_t> decoding_ = 0;  // image queries that have not reached the model's queue
  BoundedQueue<std::unique_ptr<Query>> to_decode_;
  BoundedQueue<DecodedQuery> to_embed_;
  BoundedQueue<std::unique_ptr<Query>> to_search_;
  std::vector<std::jthread> decoders_;
  std::jthread embedder_;
  std::jthread searcher_;
};

}  // namespace fluke::serve
