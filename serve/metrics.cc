#include "serve/metrics.h"

#include <array>
#include <atomic>
#include <cstddef>

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "absl/container/flat_hash_map.h"
#include "common/text.h"
#include "serve/metric_gauges.h"
#include "serve/services.h"

namespace fluke::serve {
namespace {

using prometheus::Histogram;

constexpr std::array<std::string_view, 17> kCodeNames = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

// From a vector search of a small gallery to the longest that anybody waits.
const Histogram::BucketBoundaries& SecondsBuckets() {
  static const Histogram::BucketBoundaries buckets = {
      1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30};
  return buckets;
}

const Histogram::BucketBoundaries& BatchBuckets() {
  static const Histogram::BucketBoundaries buckets = {1, 2, 4, 8, 16, 32, 64, 128};
  return buckets;
}

// Series of one method, each made when it is first needed: most codes never come.
struct MethodSeries {
  std::atomic<Histogram*> seconds = nullptr;
  std::array<std::atomic<prometheus::Counter*>, kCodeNames.size()> calls = {};
};

size_t IndexOf(grpc::StatusCode code) {
  const auto index = static_cast<size_t>(code);
  return index < kCodeNames.size() ? index : static_cast<size_t>(grpc::StatusCode::UNKNOWN);
}

}  // namespace

std::string_view CodeName(grpc::StatusCode code) { return kCodeNames[IndexOf(code)]; }

void ObserveValue(Histogram* histogram, double value) {
  if (histogram != nullptr) histogram->Observe(value);
}

void ObserveSince(Histogram* histogram, MetricClock::time_point begin) {
  if (histogram == nullptr) return;
  histogram->Observe(std::chrono::duration<double>(MetricClock::now() - begin).count());
}

void Count(prometheus::Counter* counter) {
  if (counter != nullptr) counter->Increment();
}

struct Metrics::Parts {
  Parts() {
    const auto stage = [this](const char* name) {
      return &stage_seconds.Add({{"stage", name}}, SecondsBuckets());
    };
    const auto wait = [this](const char* queue) {
      return &wait_seconds.Add({{"queue", queue}}, SecondsBuckets());
    };
    const auto batch = [this](const char* name) {
      return &batch_size.Add({{"stage", name}}, BatchBuckets());
    };
    stages = {.decode_seconds = stage("decode"),
              .embed_seconds = stage("embed"),
              .search_seconds = stage("search"),
              .decode_wait_seconds = wait("decode"),
              .embed_wait_seconds = wait("embed"),
              .search_wait_seconds = wait("search"),
              .look_ups_wait_seconds = wait("look_ups"),
              .changes_wait_seconds = wait("changes"),
              .embed_batch_size = batch("embed"),
              .search_batch_size = batch("search"),
              .embedding_cache_hits = &cache_hits.Add({}),
              .embedding_cache_misses = &cache_misses.Add({})};
    for (const auto* service : Services()) {
      for (int i = 0; i < service->method_count(); ++i) {
        methods.emplace(service->name() + "/" + service->method(i)->name(),
                        std::make_unique<MethodSeries>());
      }
    }
  }

  template <typename Metric>
  prometheus::Family<Metric>& Make(prometheus::detail::Builder<Metric> builder, const char* name,
                                   const char* help) {
    return builder.Name(name).Help(help).Register(registry);
  }

  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& calls =
      Make(prometheus::BuildCounter(), "fluke_requests_total", "Calls that were answered.");
  prometheus::Family<Histogram>& call_seconds =
      Make(prometheus::BuildHistogram(), "fluke_request_seconds", "From request to answer.");
  prometheus::Family<Histogram>& stage_seconds =
      Make(prometheus::BuildHistogram(), "fluke_stage_seconds", "Work of a stage on one batch.");
  prometheus::Family<Histogram>& wait_seconds =
      Make(prometheus::BuildHistogram(), "fluke_wait_seconds", "Spent in a queue.");
  prometheus::Family<Histogram>& batch_size =
      Make(prometheus::BuildHistogram(), "fluke_batch_size", "Queries that shared a batch.");
  prometheus::Family<prometheus::Counter>& cache_hits =
      Make(prometheus::BuildCounter(), "fluke_embedding_cache_hits_total",
           "Photographs that needed no embedding of their own.");
  prometheus::Family<prometheus::Counter>& cache_misses = Make(
      prometheus::BuildCounter(), "fluke_embedding_cache_misses_total", "Photographs embedded.");
  StageMetrics stages;
  absl::flat_hash_map<std::string, std::unique_ptr<MethodSeries>> methods;  // never changed
};

Metrics::Metrics() : parts_(std::make_unique<Parts>()) {}

Metrics::~Metrics() = default;

const StageMetrics& Metrics::stages() const { return parts_->stages; }

void Metrics::CountCall(std::string_view method, grpc::StatusCode code,
                        MetricClock::time_point begin) {
  const auto found = parts_->methods.find(AbslView(method));
  if (found == parts_->methods.end()) return;
  MethodSeries& series = *found->second;
  auto& slot = series.calls[IndexOf(code)];
  prometheus::Counter* calls = slot.load(std::memory_order_acquire);
  if (calls == nullptr) {  // Add gives two threads the same series
    calls = &parts_->calls.Add(
        {{"method", std::string(method)}, {"code", std::string(CodeName(code))}});
    slot.store(calls, std::memory_order_release);
  }
  calls->Increment();
  Histogram* seconds = series.seconds.load(std::memory_order_acquire);
  if (seconds == nullptr) {
    seconds = &parts_->call_seconds.Add({{"method", std::string(method)}}, SecondsBuckets());
    series.seconds.store(seconds, std::memory_order_release);
  }
  ObserveSince(seconds, begin);
}

std::string Metrics::Expose(const Gauges& gauges) const {
  std::vector<prometheus::MetricFamily> families = parts_->registry.Collect();
  AppendGauges(gauges, &families);
  AppendProcess(&families);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace fluke::serve
