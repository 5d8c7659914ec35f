// The durable table of training jobs: one SQLite file, one row a job.
//
//   WAITING -> RUNNING -> SUCCEEDED | FAILED | CANCELLED      (RUNNING -> WAITING: to be run again)
//   WAITING -> CANCELLED
//   SUCCEEDED | PUBLISHED -> PUBLISHING -> PUBLISHED          (or back, with an error)
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "fluke/v1/training.pb.h"
#include "serve/jobs/sqlite_database.h"

namespace fluke::serve {

struct NewJob {
  std::string name;
  std::string config_yaml;    // as clients see it
  std::string run_config;     // the same with this machine's paths
  std::string manifest;       // absolute path
  int64_t epochs = 0;         // planned
  int64_t max_steps = 0;      // 0: all epochs
  v1::PublishTarget publish;  // no alias: not to be published
  std::string gallery;        // absolute path; empty: the manifest
};

struct JobRecord : NewJob {
  int64_t sequence = 0;  // grows from job to job
  std::string id;
  v1::Job::State state = v1::Job::STATE_UNSPECIFIED;
  std::string error;
  int64_t submitted_ms = 0, started_ms = 0, ended_ms = 0;  // since 1970, UTC; 0: not yet
  int attempts = 0;
  int fruitless_attempts = 0;  // the last ones, that crashed without progress
  std::string mark;            // how far the run was when it was started last
  bool cancel_requested = false;
  int publications = 0;  // begun
  std::string collection;
  int64_t revision = 0;  // grows with every change of the row

  bool has_ended() const {
    return state == v1::Job::SUCCEEDED || state == v1::Job::FAILED || state == v1::Job::CANCELLED ||
           state == v1::Job::PUBLISHED;
  }
};

// Thread-safe. Every change is durable when its function returns, and a transaction: a job whose
// state is not one that the change may begin from is left as it is, with FAILED_PRECONDITION; one
// that is not there is NOT_FOUND. Errors of the file are SqliteDatabase's.
class JobTable {
 public:
  // Makes the file where there is none. DATA_LOSS: damaged, or no table of jobs of this version.
  explicit JobTable(const std::filesystem::path& file);

  // A job that waits. RESOURCE_EXHAUSTED where max_waiting do already.
  JobRecord Add(const NewJob& job, int max_waiting);
  JobRecord Get(std::string_view id) const;
  // The newest first, those before `before_sequence` (0: all), without their configs.
  std::vector<JobRecord> List(int64_t before_sequence, int count) const;
  // The oldest first.
  std::vector<JobRecord> InState(v1::Job::State state) const;

  JobRecord Start(std::string_view id, std::string_view mark);  // WAITING -> RUNNING
  // RUNNING -> WAITING, as the next one to run.
  void RunAgain(std::string_view id, int fruitless_attempts);
  void Succeed(std::string_view id);  // RUNNING -> SUCCEEDED
  // RUNNING -> SUCCEEDED -> PUBLISHING at once.
  void SucceedAndPublish(std::string_view id);
  void Fail(std::string_view id, std::string_view error);  // RUNNING -> FAILED
  void MarkCancelled(std::string_view id);                 // RUNNING -> CANCELLED
  // A waiting job is cancelled; of a running or publishing one the wish is noted.
  JobRecord RequestCancel(std::string_view id);

  // SUCCEEDED | PUBLISHED -> PUBLISHING.
  JobRecord RequestPublication(std::string_view id, const v1::PublishTarget& target,
                               std::string_view gallery);
  // PUBLISHING stays; counts what is begun.
  JobRecord BeginPublication(std::string_view id);
  void Publish(std::string_view id, std::string_view collection);  // PUBLISHING -> PUBLISHED
  // PUBLISHING -> SUCCEEDED, or PUBLISHED where it had been published before.
  void FailPublication(std::string_view id, std::string_view error);

 private:
  using States = std::initializer_list<v1::Job::State>;

  JobRecord Read(std::string_view id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Throws unless the job's state is one of `from`.
  JobRecord Require(std::string_view id, States from) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(std::string_view id, v1::Job::State state, std::string_view error)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable std::mutex mutex_;
  mutable SqliteDatabase database_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fluke::serve
