#include "serve/jobs/training_service.h"

#include "common/error.h"
#include "serve/calls/task_call.h"
#include "serve/status.h"

namespace fluke::serve {
namespace {

constexpr size_t kMaxWatchers = 64;
constexpr char kNoJobs[] =
    "this server runs no training jobs: its config has no `data` folder, or no `jobs.data`";

// Answered at once.
class EndedStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  explicit EndedStream(const absl::Status& status) { Finish(ToGrpcStatus(status)); }

 private:
  void OnDone() override { delete this; }
};

}  // namespace

void TrainingService::Open(TrainingJobs* jobs) {
  watchers_ = std::make_unique<JobWatchers>(jobs, &gate_, kMaxWatchers);
  jobs_.store(jobs);
}

void TrainingService::StopWatching() {
  if (jobs_.load() != nullptr) watchers_->StopWatching();
}

TrainingJobs& TrainingService::Jobs() const {
  TrainingJobs* const jobs = jobs_.load();
  if (jobs == nullptr) Throw(absl::StatusCode::kFailedPrecondition, kNoJobs);
  return *jobs;
}

template <typename Request, typename Response, typename Handle>
grpc::ServerUnaryReactor* TrainingService::Run(const Method& method, Context* context,
                                               const Bytes* request, Bytes* response,
                                               TaskLane* lane, Handle handle) {
  return TaskCall<Request, Response>::Start(
      &gate_, method, context, *request, response, lane,
      [this, handle](const Request& parsed) { return handle(Jobs(), parsed); });
}

grpc::ServerUnaryReactor* TrainingService::SubmitJob(Context* context, const Bytes* request,
                                                     Bytes* response) {
  return Run<v1::SubmitJobRequest, v1::Job>(
      {"Training/SubmitJob", Right::kAdmin}, context, request, response, &changes_,
      [](TrainingJobs& jobs, const v1::SubmitJobRequest& parsed) { return jobs.Submit(parsed); });
}

grpc::ServerUnaryReactor* TrainingService::GetJob(Context* context, const Bytes* request,
                                                  Bytes* response) {
  return Run<v1::GetJobRequest, v1::Job>(
      {"Training/GetJob", Right::kRead}, context, request, response, &look_ups_,
      [](TrainingJobs& jobs, const v1::GetJobRequest& parsed) { return jobs.Get(parsed.id()); });
}

grpc::ServerUnaryReactor* TrainingService::ListJobs(Context* context, const Bytes* request,
                                                    Bytes* response) {
  return Run<v1::ListJobsRequest, v1::ListJobsResponse>(
      {"Training/ListJobs", Right::kRead}, context, request, response, &look_ups_,
      [](TrainingJobs& jobs, const v1::ListJobsRequest& parsed) { return jobs.List(parsed); });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* TrainingService::WatchJob(Context* context,
                                                                      const Bytes* request) {
  const Method method = {"Training/WatchJob", Right::kRead};
  if (jobs_.load() != nullptr) return watchers_->Watch(method, context, *request);
  CallTicket ticket;
  absl::Status status = gate_.Enter(method, *context, &ticket);
  if (status.ok()) {
    gate_.Leave(method, grpc::StatusCode::FAILED_PRECONDITION, ticket);
    status = absl::FailedPreconditionError(kNoJobs);
  }
  return new EndedStream(status);
}

grpc::ServerUnaryReactor* TrainingService::CancelJob(Context* context, const Bytes* request,
                                                     Bytes* response) {
  return Run<v1::CancelJobRequest, v1::Job>(
      {"Training/CancelJob", Right::kAdmin}, context, request, response, &changes_,
      [](TrainingJobs& jobs, const v1::CancelJobRequest& parsed) {
        return jobs.Cancel(parsed.id());
      });
}

grpc::ServerUnaryReactor* TrainingService::PublishJob(Context* context, const Bytes* request,
                                                      Bytes* response) {
  return Run<v1::PublishJobRequest, v1::Job>(
      {"Training/PublishJob", Right::kAdmin}, context, request, response, &changes_,
      [](TrainingJobs& jobs, const v1::PublishJobRequest& parsed) { return jobs.Publish(parsed); });
}

}  // namespace fluke::serve
