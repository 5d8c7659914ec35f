// Runs the jobs of a table, each as a child process within limits: training first, then, where it
// is to be published, embedding and indexing.
//
// A server that stops has its jobs save a checkpoint, a killed one takes them with it; either way
// the next one runs them again from their last checkpoints.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "serve/jobs/child_process.h"
#include "serve/jobs/job_report.h"
#include "serve/jobs/job_table.h"
#include "serve/server_seams.h"
#include "serve/task_lane.h"

namespace fluke::serve {

struct JobRunnerOptions {
  std::filesystem::path jobs;             // folder of the jobs' folders, absolute
  std::vector<std::string> hidden_roots;  // that no error may show (private_paths.h)
  int max_running = 1;
  int64_t max_memory_mb = 0;  // 0: no limit
  int64_t max_seconds = 0;    // of one attempt; 0: no limit
  int niceness = 0;
  int64_t max_log_bytes = 8 << 20;  // of which the newer half at least is kept
  // From the wish that a process ends until it is killed.
  std::chrono::milliseconds kill_grace = std::chrono::seconds(30);
};

// All its work is on one thread, which outlives every child; but for the publishing itself, which
// loads an index and is on another.
class JobRunner {
 public:
  // Jobs that were running when the server before ended are put back to be run again; one that
  // crashed three times in turn without progress has failed. `table` outlives the runner.
  JobRunner(JobTable* table, JobCommands commands, PublishCollection publish,
            JobRunnerOptions options);
  // Stops, and waits until no process is left.
  ~JobRunner();
  JobRunner(const JobRunner&) = delete;
  JobRunner& operator=(const JobRunner&) = delete;

  // The table has changed. Thread-safe.
  void Wake();
  // Asks the processes to save what they have and starts no more. Thread-safe.
  void RequestStop();

 private:
  enum class Step { kTrain, kEmbed, kIndex };
  enum class Stop { kNone, kCancel, kTimeLimit, kServer };
  struct Task;

  void Recover();
  void Loop();
  void StartMore();
  bool StartTraining(const JobRecord& job);
  bool StartPublication(const JobRecord& job);
  std::unique_ptr<Task> StartStep(const JobRecord& job, Step step, JobCommands::Words words,
                                  FileDescriptor lock);
  void WaitForEvents();
  void LookAfter(Task& task);
  void StopTask(Task& task, Stop why);
  // The task's process has ended. True: nothing is left to do of the task.
  bool Conclude(std::unique_ptr<Task>& task);
  void ConcludeTraining(const Task& task);
  void ConcludeCrash(const JobRecord& job, const std::string& how);
  bool ConcludePublicationStep(std::unique_ptr<Task>& task);
  bool StartIndexing(std::unique_ptr<Task>& task);
  std::string WhyNotPublished(const Task& task) const;
  void PublishInTheBackground(const JobRecord& job);
  std::string WhyItFailed(const JobRecord& job, const std::string& how) const;
  JobFolder FolderOf(const JobRecord& job) const { return {options_.jobs / job.id}; }
  bool IsActive(const std::string& id) const;
  bool IsStopping() const;

  JobTable& table_;
  const JobCommands commands_;
  const PublishCollection publish_;
  const JobRunnerOptions options_;
  const FileDescriptor wake_;  // eventfd

  mutable std::mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<std::string> publishing_ ABSL_GUARDED_BY(mutex_);  // in the background

  // Of the runner's thread alone.
  std::list<std::unique_ptr<Task>> tasks_;
  bool must_retry_ = false;

  TaskLane publisher_{1, 1024};
  std::jthread thread_;  // the last: ends first
};

}  // namespace fluke::serve
