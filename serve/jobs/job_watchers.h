// Those who watch jobs: each is told how its job stands, then again whenever that has changed. One
// thread for all of them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "absl/base/thread_annotations.h"
#include "serve/calls/call_gate.h"
#include "serve/jobs/training_jobs.h"

namespace fluke::serve {

// Thread-safe.
class JobWatchers {
 public:
  // All of them outlive this.
  JobWatchers(const TrainingJobs* jobs, CallGate* gate, size_t max_watchers);
  ~JobWatchers();
  JobWatchers(const JobWatchers&) = delete;
  JobWatchers& operator=(const JobWatchers&) = delete;

  // A call of Training/WatchJob. It ends with its job, its client, its deadline or StopWatching;
  // RESOURCE_EXHAUSTED at once where too many watch.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Watch(const Method& method,
                                                    grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer& request);

  // Ends all of them with UNAVAILABLE, and those that come later.
  void StopWatching();

 private:
  class Watcher;
  // How a job stands, made once a round for all who watch it.
  struct Standing {
    absl::Status status;
    std::string stamp;
    bool has_ended = false;
    grpc::ByteBuffer bytes;
  };

  void Loop();
  Standing& Look(const std::string& id, std::map<std::string, Standing>* round) const;
  absl::Status Describe(const std::string& id, Standing* standing) const;
  // False when the watcher's call has been ended.
  bool Serve(Watcher& watcher, std::map<std::string, Standing>* round, bool stopping) const;

  const TrainingJobs& jobs_;
  CallGate& gate_;
  const size_t max_watchers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Watcher*> coming_ ABSL_GUARDED_BY(mutex_);  // gRPC's; until their calls end
  size_t count_ ABSL_GUARDED_BY(mutex_) = 0;              // with those whom the thread has
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace fluke::serve
