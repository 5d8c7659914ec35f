// fluke.v1.Retrieval over gRPC: checks a request, hands it to the pipeline or a lane, writes the
// answer.
#pragma once

#include <atomic>
#include <cstdint>

#include "fluke/v1/retrieval.grpc.pb.h"
#include "serve/pipeline.h"
#include "serve/served_index.h"
#include "serve/task_lane.h"

namespace fluke::serve {

struct RequestLimits {
  int32_t max_k = 2048;
};

// Where the service's work is done; it outlives the service's calls.
struct Stages {
  explicit Stages(const PipelineOptions& options) : pipeline(options) {}

  // Changes of images come out of the pipeline: it ends first.
  TaskLane look_ups{2, 1024};
  TaskLane changes{1, 1024};  // one after the other, as the index makes them
  Pipeline pipeline;
};

namespace raw {  // the methods that answer for themselves, one around the other
using S0 = v1::Retrieval::Service;
using S1 = v1::Retrieval::WithRawCallbackMethod_Search<S0>;
using S2 = v1::Retrieval::WithRawCallbackMethod_SearchBatch<S1>;
using S3 = v1::Retrieval::WithRawCallbackMethod_Embed<S2>;
using S4 = v1::Retrieval::WithRawCallbackMethod_Upsert<S3>;
using S5 = v1::Retrieval::WithRawCallbackMethod_Update<S4>;
using S6 = v1::Retrieval::WithRawCallbackMethod_Delete<S5>;
using S7 = v1::Retrieval::WithRawCallbackMethod_Get<S6>;
using S8 = v1::Retrieval::WithRawCallbackMethod_Scroll<S7>;
using S9 = v1::Retrieval::WithRawCallbackMethod_Count<S8>;
using S10 = v1::Retrieval::WithRawCallbackMethod_Facet<S9>;
using Service = v1::Retrieval::WithRawCallbackMethod_Describe<S10>;
}  // namespace raw

// gRPC's callback API: its threads only parse and check; none of them waits for a search. The
// methods are the raw ones, because the typed ones answer a damaged message with UNIMPLEMENTED.
class RetrievalService final : public raw::Service {
 public:
  // Both outlive the service.
  RetrievalService(const ServedIndex* served, const RequestLimits& limits, Stages* stages)
      : served_(*served), limits_(limits), stages_(*stages) {}

  using Context = grpc::CallbackServerContext;
  using Bytes = grpc::ByteBuffer;
  grpc::ServerUnaryReactor* Search(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* SearchBatch(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Embed(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Upsert(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Update(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Delete(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Get(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Scroll(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Count(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Facet(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Describe(Context*, const Bytes* request, Bytes* response) override;

  // From now on every call but Describe is answered UNAVAILABLE.
  void RefuseCalls() { refusing_.store(true); }
  // Calls that were taken in and whose answer has not left yet.
  int64_t calls_under_way() const { return under_way_.load(); }

 private:
  class Call;
  class SearchCall;
  class ManyCall;
  class SearchBatchCall;
  class EmbedCall;
  class UpsertCall;
  template <typename Request, typename Response>
  class TaskCall;

  const ServedIndex& served_;
  const RequestLimits limits_;
  Stages& stages_;
  std::atomic<bool> refusing_ = false;
  std::atomic<int64_t> under_way_ = 0;
};

}  // namespace fluke::serve
