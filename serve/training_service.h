// fluke.v1.Training over gRPC.
#pragma once

#include <memory>
#include <string_view>

#include "fluke/v1/training.grpc.pb.h"
#include "serve/call_gate.h"
#include "serve/job_watchers.h"
#include "serve/task_lane.h"
#include "serve/training_jobs.h"

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
  // `jobs` may be null: every call is FAILED_PRECONDITION. Both outlive the service.
  TrainingService(TrainingJobs* jobs, CallGate* gate);

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

  TrainingJobs* const jobs_;
  CallGate& gate_;
  TaskLane look_ups_{1, 256};
  TaskLane changes_{1, 64};                // reading a manifest takes its time
  std::unique_ptr<JobWatchers> watchers_;  // null without jobs
};

}  // namespace fluke::serve
