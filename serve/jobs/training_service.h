// fluke.v1.Training over gRPC.
#pragma once

#include <atomic>
#include <memory>
#include <string_view>

#include "fluke/v1/training.grpc.pb.h"
#include "serve/calls/call_gate.h"
#include "serve/jobs/job_watchers.h"
#include "serve/jobs/training_jobs.h"
#include "serve/task_lane.h"

namespace fluke::serve {

namespace raw_training {  // as in retrieval_service.h
using S0 = v1::Training::Service;
using S1 = v1::Training::WithRawCallbackMethod_SubmitJob<S0>;
using S2 = v1::Training::WithRawCallbackMethod_GetJob<S1>;
using S3 = v1::Training::WithRawCallbackMethod_ListJobs<S2>;
using S4 = v1::Training::WithRawCallbackMethod_WatchJob<S3>;
using S5 = v1::Training::WithRawCallbackMethod_CancelJob<S4>;
using Service = v1::Training::WithRawCallbackMethod_PublishJob<S5>;
}  // namespace raw_training

class TrainingService final : public raw_training::Service {
 public:
  // Every call is FAILED_PRECONDITION until Open. `gate` outlives the service.
  explicit TrainingService(CallGate* gate) : gate_(*gate) {}
  // Once. `jobs` outlives the service.
  void Open(TrainingJobs* jobs);

  using Context = grpc::CallbackServerContext;
  using Bytes = grpc::ByteBuffer;
  grpc::ServerUnaryReactor* SubmitJob(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* GetJob(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* ListJobs(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerWriteReactor<Bytes>* WatchJob(Context*, const Bytes* request) override;
  grpc::ServerUnaryReactor* CancelJob(Context*, const Bytes* request, Bytes* response) override;
  grpc::ServerUnaryReactor* PublishJob(Context*, const Bytes* request, Bytes* response) override;

  // Ends the calls that would not end by themselves. Thread-safe.
  void StopWatching();

 private:
  template <typename Request, typename Response, typename Handle>
  grpc::ServerUnaryReactor* Run(const Method& method, Context* context, const Bytes* request,
                                Bytes* response, TaskLane* lane, Handle handle);
  TrainingJobs& Jobs() const;

  CallGate& gate_;
  std::unique_ptr<JobWatchers> watchers_;      // null without jobs
  std::atomic<TrainingJobs*> jobs_ = nullptr;  // set after watchers_
  TaskLane look_ups_{1, 256};
  TaskLane changes_{1, 64};  // reading a manifest takes its time
};

}  // namespace fluke::serve
