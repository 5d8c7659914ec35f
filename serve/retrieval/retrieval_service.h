// fluke.v1.Retrieval over gRPC: checks a request, hands it to the pipeline or a lane, writes the
// answer.
#pragma once

#include <cstdint>
#include <string_view>

#include "fluke/v1/retrieval.grpc.pb.h"
#include "serve/calls/call.h"
#include "serve/calls/open_streams.h"
#include "serve/collections/catalogue.h"
#include "serve/pipeline/pipeline.h"
#include "serve/retrieval/calibrator.h"
#include "serve/task_lane.h"

namespace fluke::serve {

struct RequestLimits {
  int32_t max_k = 2048;
};

// Where the service's work is done; it outlives the service's calls.
struct Stages {
  explicit Stages(const PipelineOptions& options)
      : look_ups(2, 1024, options.metrics.look_ups_wait_seconds),
        changes(1, 1024, options.metrics.changes_wait_seconds),
        pipeline(options) {}

  // Changes of images come out of the pipeline: it ends first.
  TaskLane look_ups;
  TaskLane changes;  // one thread: one after the other, as the index makes them
  Calibrator calibrator;
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
using S11 = v1::Retrieval::WithRawCallbackMethod_SearchStream<S10>;
using S12 = v1::Retrieval::WithRawCallbackMethod_SearchGroups<S11>;
using S13 = v1::Retrieval::WithRawCallbackMethod_Identify<S12>;
using S14 = v1::Retrieval::WithRawCallbackMethod_UpsertStream<S13>;
using S15 = v1::Retrieval::WithRawCallbackMethod_Match<S14>;
using Service = v1::Retrieval::WithRawCallbackMethod_Describe<S15>;
}  // namespace raw

// gRPC's callback API: its threads only parse and check; none of them waits for a search. The
// methods are the raw ones, because the typed ones answer a damaged message with UNIMPLEMENTED.
class RetrievalService final : public raw::Service {
 public:
  // All of them outlive the service.
  RetrievalService(const Catalogue* catalogue, const RequestLimits& limits, Stages* stages,
                   CallGate* gate)
      : catalogue_(*catalogue), limits_(limits), stages_(*stages), gate_(*gate) {}

  using Context = grpc::CallbackServerContext;
  using Bytes = grpc::ByteBuffer;
  using Stream = grpc::ServerBidiReactor<Bytes, Bytes>;
  grpc::ServerUnaryReactor* Search(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* SearchBatch(Context*, const Bytes* request, Bytes* response) override;
  Stream* SearchStream(Context*) override;
  grpc::ServerUnaryReactor* SearchGroups(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Identify(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Match(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Embed(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Upsert(Context*, const Bytes* request, Bytes* response) override;
  Stream* UpsertStream(Context*) override;
  grpc::ServerUnaryReactor* Update(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Delete(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Get(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Scroll(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Count(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Facet(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Describe(Context*, const Bytes* request, Bytes* response) override;

  // The calls that no request of their own ends: streams answer what they have taken in and end,
  // and who waits for a calibration (calibrator.h) waits no longer. For a server that stops.
  void EndStreams() { open_streams_.EndAll(); }
  void EndCalibrations() { stages_.calibrator.Stop(); }

 private:
  class RetrievalCall;
  class SearchCall;
  class DescribeCall;
  class ManyCall;
  class SearchBatchCall;
  class SearchStreamCall;
  class SearchGroupsCall;
  class IdentifyCall;
  class EmbedCall;
  class UpsertCall;
  class UpsertStreamCall;
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* LookUp(std::string_view method, Context* context, const Bytes& request,
                                   Bytes* response,
                                   Response (*handle)(const Request&, const ServedVersion&));
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Change(std::string_view method, Context* context, const Bytes& request,
                                   Bytes* response,
                                   Response (*handle)(const Request&, const ServedIndex&));

  const Catalogue& catalogue_;
  const RequestLimits limits_;
  Stages& stages_;
  CallGate& gate_;
  OpenStreams open_streams_;
};

}  // namespace fluke::serve
