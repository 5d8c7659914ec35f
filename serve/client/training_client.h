// A client of the training service, for `fluke jobs` and for tests.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "fluke/v1/training.pb.h"
#include "serve/client/client_options.h"

namespace fluke::serve {

// Thread-safe. Errors as of RetrievalClient (client.h).
class TrainingClient {
 public:
  // Connects on the first call. options.timeout holds for each call but Watch.
  TrainingClient(const std::string& address, const ClientOptions& options);
  ~TrainingClient();
  TrainingClient(const TrainingClient&) = delete;
  TrainingClient& operator=(const TrainingClient&) = delete;

  v1::Job Submit(const v1::SubmitJobRequest& request) const;
  v1::Job Get(const v1::GetJobRequest& request) const;
  v1::ListJobsResponse List(const v1::ListJobsRequest& request) const;
  v1::Job Cancel(const v1::CancelJobRequest& request) const;
  v1::Job Publish(const v1::PublishJobRequest& request) const;
  // Until the job has ended, or `seen` returns false.
  void Watch(const v1::WatchJobRequest& request,
             const std::function<bool(const v1::Job&)>& seen) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace fluke::serve
