// What the server counts and times, for Prometheus. Names and labels are a contract with the
// dashboards in deploy/: they are listed in serve/README.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <grpcpp/support/status_code_enum.h>

namespace prometheus {
class Counter;
class Histogram;
}  // namespace prometheus

namespace fluke::serve {

// Of the stages, resolved once: measuring costs no look-up. Null: not measured.
struct StageMetrics {
  prometheus::Histogram* decode_seconds = nullptr;
  prometheus::Histogram* embed_seconds = nullptr;
  prometheus::Histogram* search_seconds = nullptr;
  prometheus::Histogram* decode_wait_seconds = nullptr;
  prometheus::Histogram* embed_wait_seconds = nullptr;
  prometheus::Histogram* search_wait_seconds = nullptr;
  prometheus::Histogram* look_ups_wait_seconds = nullptr;
  prometheus::Histogram* changes_wait_seconds = nullptr;
  prometheus::Histogram* embed_batch_size = nullptr;
  prometheus::Histogram* search_batch_size = nullptr;
  prometheus::Counter* embedding_cache_hits = nullptr;
  prometheus::Counter* embedding_cache_misses = nullptr;
};

using MetricClock = std::chrono::steady_clock;

// Nothing where the metric is null.
void ObserveValue(prometheus::Histogram* histogram, double value);
void ObserveSince(prometheus::Histogram* histogram, MetricClock::time_point begin);
void Count(prometheus::Counter* counter);

// What is looked at when somebody asks, instead of being kept up to date.
struct Gauges {
  struct Queue {
    std::string name;
    size_t waiting = 0;
  };
  struct Collection {
    std::string name;
    std::string model_fingerprint;  // empty: no model is loaded
    int64_t items = 0;
    int64_t changed_items = 0;
    int64_t snapshot = 0;
    uint64_t memory_bytes = 0;
    uint64_t disk_bytes = 0;
  };
  std::vector<Queue> queues;
  std::vector<Collection> collections;
  uint64_t embedding_cache_bytes = 0;
  int64_t calls_under_way = 0;
};

// Thread-safe. Outlives everything that it measures.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  const StageMetrics& stages() const;

  // A call that began at `begin` ends now. `method`: "Retrieval/Search"; one that no service of
  // fluke.v1 has is not counted, so that nobody can make series grow.
  void CountCall(std::string_view method, grpc::StatusCode code, MetricClock::time_point begin);

  // Prometheus' text format 0.0.4: what was measured, `gauges`, and the process's own figures.
  std::string Expose(const Gauges& gauges) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// "INVALID_ARGUMENT"; UNKNOWN for a code that there is not.
std::string_view CodeName(grpc::StatusCode code);

}  // namespace fluke::serve
