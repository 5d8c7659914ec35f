// fluke.v1.Inference over gRPC: photographs through trained networks of other kinds than embedders.
#pragma once

#include <cstdint>

#include "fluke/v1/inference.grpc.pb.h"
#include "serve/calls/call_gate.h"
#include "serve/server_seams.h"
#include "serve/task_lane.h"

namespace fluke::serve {

namespace raw_inference {  // as in retrieval_service.h
using S0 = v1::Inference::Service;
using S1 = v1::Inference::WithRawCallbackMethod_Classify<S0>;
using S2 = v1::Inference::WithRawCallbackMethod_Segment<S1>;
using Service = v1::Inference::WithRawCallbackMethod_Detect<S2>;
}  // namespace raw_inference

class InferenceService final : public raw_inference::Service {
 public:
  // `gate` outlives the service.
  InferenceService(Predictors predictors, int64_t max_image_pixels, CallGate* gate)
      : predictors_(std::move(predictors)), max_image_pixels_(max_image_pixels), gate_(*gate) {}

  using Context = grpc::CallbackServerContext;
  using Bytes = grpc::ByteBuffer;
  grpc::ServerUnaryReactor* Classify(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Segment(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* Detect(Context*, const Bytes* request, Bytes* response) override;

 private:
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Run(const Method& method, Context* context, const Bytes* request,
                                Bytes* response,
                                Response (InferenceService::*handle)(const Request&) const);
  v1::ClassifyResponse ClassifyNow(const v1::ClassifyRequest& request) const;
  v1::SegmentResponse SegmentNow(const v1::SegmentRequest& request) const;
  v1::DetectResponse DetectNow(const v1::DetectRequest& request) const;

  const Predictors predictors_;
  const int64_t max_image_pixels_;
  CallGate& gate_;
  // A photograph a task; few wait, because each may have the size of the largest request.
  TaskLane lane_{2, 16};
};

}  // namespace fluke::serve
