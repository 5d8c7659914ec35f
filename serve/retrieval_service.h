// fluke.v1.Retrieval over gRPC: checks a request, hands it to the pipeline, writes the answer.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "fluke/v1/retrieval.grpc.pb.h"
#include "serve/pipeline.h"
#include "serve/served_version.h"

namespace fluke::serve {

struct RequestLimits {
  int32_t max_k = 2048;
};

// gRPC's callback API: its threads only parse and check; none of them waits for a search. The
// methods are the raw ones, because the typed ones answer a damaged message with UNIMPLEMENTED.
class RetrievalService final
    : public v1::Retrieval::WithRawCallbackMethod_Search<
          v1::Retrieval::WithRawCallbackMethod_Describe<v1::Retrieval::Service>> {
 public:
  // `pipeline` outlives the service.
  RetrievalService(std::shared_ptr<const ServedVersion> version, const RequestLimits& limits,
                   Pipeline* pipeline)
      : version_(std::move(version)), limits_(limits), pipeline_(pipeline) {}

  grpc::ServerUnaryReactor* Search(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* Describe(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;

  // From now on a search is answered UNAVAILABLE.
  void RefuseSearches() { refusing_.store(true); }
  // Searches that were taken in and whose answer has not left yet.
  int64_t searches_under_way() const { return under_way_.load(); }

 private:
  class SearchCall;

  const std::shared_ptr<const ServedVersion> version_;
  const RequestLimits limits_;
  Pipeline* const pipeline_;
  std::atomic<bool> refusing_ = false;
  std::atomic<int64_t> under_way_ = 0;
};

}  // namespace fluke::serve
