#include "serve/client/training_client.h"

#include <grpcpp/grpcpp.h>

#include "common/error.h"
#include "fluke/v1/training.grpc.pb.h"
#include "serve/client/channel.h"

namespace fluke::serve {

struct TrainingClient::Parts {
  std::string address;
  ClientOptions options;
  std::unique_ptr<v1::Training::Stub> stub;

  template <typename Request, typename Response>
  Response Call(grpc::Status (v1::Training::Stub::*method)(grpc::ClientContext*, const Request&,
                                                           Response*),
                const Request& request) const {
    Response response;
    grpc::ClientContext context;
    PrepareCall(options, &context);
    Check((stub.get()->*method)(&context, request, &response));
    return response;
  }

  void Check(const grpc::Status& status) const {
    if (status.ok()) return;
    const auto code = static_cast<absl::StatusCode>(status.error_code());
    if (code == absl::StatusCode::kUnavailable) {
      Throw(code, "server ", address, ": ", status.error_message());
    }
    Throw(code, status.error_message());
  }
};

TrainingClient::TrainingClient(const std::string& address, const ClientOptions& options)
    : parts_(std::make_unique<Parts>()) {
  parts_->address = address;
  parts_->options = options;
  parts_->stub = v1::Training::NewStub(OpenChannel(address, options));
}

TrainingClient::~TrainingClient() = default;

v1::Job TrainingClient::Submit(const v1::SubmitJobRequest& request) const {
  return parts_->Call(&v1::Training::Stub::SubmitJob, request);
}
v1::Job TrainingClient::Get(const v1::GetJobRequest& request) const {
  return parts_->Call(&v1::Training::Stub::GetJob, request);
}
v1::ListJobsResponse TrainingClient::List(const v1::ListJobsRequest& request) const {
  return parts_->Call(&v1::Training::Stub::ListJobs, request);
}
v1::Job TrainingClient::Cancel(const v1::CancelJobRequest& request) const {
  return parts_->Call(&v1::Training::Stub::CancelJob, request);
}
v1::Job TrainingClient::Publish(const v1::PublishJobRequest& request) const {
  return parts_->Call(&v1::Training::Stub::PublishJob, request);
}

void TrainingClient::Watch(const v1::WatchJobRequest& request,
                           const std::function<bool(const v1::Job&)>& seen) const {
  grpc::ClientContext context;
  PrepareCall(parts_->options, &context);
  context.set_deadline(std::chrono::system_clock::time_point::max());
  const auto stream = parts_->stub->WatchJob(&context, request);
  v1::Job job;
  while (stream->Read(&job)) {
    if (seen(job)) continue;
    context.TryCancel();
    stream->Finish();
    return;
  }
  parts_->Check(stream->Finish());
}

}  // namespace fluke::serve
