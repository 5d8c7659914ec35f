// The training jobs of a server, as its clients know them: what they ask for is checked here, and
// what they are told put together, from the table and the jobs' folders.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fluke/v1/config.pb.h"
#include "fluke/v1/training.pb.h"
#include "serve/jobs/job_config.h"
#include "serve/jobs/job_runner.h"
#include "serve/jobs/job_table.h"
#include "serve/server_seams.h"

namespace fluke::serve {

// Thread-safe. Its functions throw fluke::Error with the statuses of training.proto. What they
// answer names no path of this machine.
class TrainingJobs {
 public:
  // Opens or makes config.data()/jobs.sqlite and goes on with the jobs in it. `config` has `data`
  // and `jobs.data`. Throws INVALID_ARGUMENT when jobs.data is no folder, and JobTable's errors.
  TrainingJobs(const v1::ServeConfig& config, TrainingSeams seams);

  v1::Job Submit(const v1::SubmitJobRequest& request);
  v1::Job Get(const std::string& id) const;
  v1::ListJobsResponse List(const v1::ListJobsRequest& request) const;
  v1::Job Cancel(const std::string& id);
  v1::Job Publish(const v1::PublishJobRequest& request);

  // For those who watch: other than before whenever Get may answer something else.
  std::string Stamp(const std::string& id) const;

  // Has the running jobs save what they have, and starts no more; the destructor waits for it.
  void RequestStop() { runner_.RequestStop(); }

 private:
  v1::Job Summary(const JobRecord& record) const;
  v1::Job Full(const JobRecord& record) const;
  JobFolder FolderOf(const std::string& id) const { return {jobs_ / id}; }
  // The absolute path of the gallery; "" = the training manifest.
  std::string CheckTarget(const v1::PublishTarget& target) const;
  std::string RunOfJob(const std::string& id) const;

  const std::filesystem::path data_;  // that manifests lie in; canonical
  const std::filesystem::path jobs_;  // the jobs' folders; canonical
  const int max_waiting_;
  const TrainingSeams seams_;
  const std::vector<std::string> hidden_roots_;
  JobTable table_;
  JobRunner runner_;
};

}  // namespace fluke::serve
