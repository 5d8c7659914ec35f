#include "serve/jobs/job_runner.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <exception>
#include <optional>

#include <spdlog/spdlog.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/config.h"
#include "common/error.h"
#include "common/files.h"
#include "fluke/v1/config.pb.h"
#include "serve/jobs/job_log.h"
#include "serve/jobs/private_paths.h"

namespace fluke::serve {
namespace {

using Clock = std::chrono::steady_clock;

// While processes run, their output, their ends and their limits are looked at this often.
constexpr int kTickMs = 100;
constexpr int kRetryMs = 500;
constexpr int kMaxFruitlessAttempts = 3;
// `fluke train`, told to stop, ends with this.
constexpr int kExitInterrupted = 130;
constexpr int kErrorLines = 3;

bool EndedWell(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }

// Ended by somebody else than itself: the system was short of memory, say.
bool WasEnded(int status) {
  return WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == kExitInterrupted);
}

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status)) {
    return StrCat("ended by signal ", WTERMSIG(status), " (", strsignal(WTERMSIG(status)), ")");
  }
  return StrCat("ended with exit code ", WEXITSTATUS(status));
}

bool SkipsBadPhotographs(const JobRecord& job) {
  v1::TrainConfig config;
  ParseConfig(job.run_config, "config", {}, &config);
  return config.data().skip_bad();
}

}  // namespace

struct JobRunner::Task {
  JobRecord job;
  Step step;
  ChildProcess child;
  JobLog log;
  std::optional<Clock::time_point> stop_at;  // by the limit of time
  Stop stop = Stop::kNone;
  Clock::time_point kill_at = Clock::time_point::max();
  std::optional<int> status = {};  // has ended
};

JobRunner::JobRunner(JobTable* table, JobCommands commands, PublishCollection publish,
                     JobRunnerOptions options)
    : table_(*table),
      commands_(std::move(commands)),
      publish_(std::move(publish)),
      options_(std::move(options)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_.get() < 0) Throw(absl::StatusCode::kUnavailable, "eventfd: ", std::strerror(errno));
  MakeFolder(options_.jobs);
  Recover();
  thread_ = std::jthread([this] { Loop(); });
}

JobRunner::~JobRunner() {
  RequestStop();
  thread_.join();
}

void JobRunner::Wake() {
  const uint64_t one = 1;
  // A full counter wakes as well.
  if (write(wake_.get(), &one, sizeof(one)) < 0 && errno != EAGAIN) {
    spdlog::error("cannot wake the runner of jobs: {}", std::strerror(errno));
  }
}

void JobRunner::RequestStop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  Wake();
}

bool JobRunner::IsStopping() const {
  std::lock_guard lock(mutex_);
  return stopping_;
}

void JobRunner::Recover() {
  for (const JobRecord& job : table_.InState(v1::Job::RUNNING)) {
    if (job.cancel_requested) {
      table_.MarkCancelled(job.id);
    } else {
      ConcludeCrash(job, "ended with the server");
    }
  }
}

void JobRunner::Loop() {
  for (;;) {
    try {
      StartMore();
    } catch (const std::exception& error) {
      spdlog::error("starting jobs: {}", error.what());
      must_retry_ = true;
    }
    if (tasks_.empty() && IsStopping()) return;
    WaitForEvents();
    for (auto& task : tasks_) LookAfter(*task);
    for (auto task = tasks_.begin(); task != tasks_.end();) {
      bool is_over = false;
      try {
        is_over = (*task)->status.has_value() && Conclude(*task);
      } catch (const std::exception& error) {
        spdlog::error("job {}: {}", (*task)->job.id, error.what());  // tried again
      }
      task = is_over ? tasks_.erase(task) : std::next(task);
    }
  }
}

bool JobRunner::IsActive(const std::string& id) const {
  for (const auto& task : tasks_) {
    if (task->job.id == id) return true;
  }
  std::lock_guard lock(mutex_);
  return publishing_.contains(id);
}

void JobRunner::StartMore() {
  must_retry_ = false;
  // A job whose processes of a server before have not quite ended, or that cannot be started for
  // the moment, holds up no other.
  for (const v1::Job::State state : {v1::Job::PUBLISHING, v1::Job::WAITING}) {
    for (const JobRecord& job : table_.InState(state)) {
      {
        std::lock_guard lock(mutex_);
        if (stopping_) return;
        if (tasks_.size() + publishing_.size() >= static_cast<size_t>(options_.max_running)) return;
      }
      if (IsActive(job.id)) continue;
      const bool started = state == v1::Job::WAITING ? StartTraining(job) : StartPublication(job);
      if (!started) must_retry_ = true;
    }
  }
}

bool JobRunner::StartTraining(const JobRecord& job) {
  const JobFolder folder = FolderOf(job);
  MakeFolder(folder.root);
  std::optional<FileDescriptor> lock = TryLock(folder.lock());
  if (!lock) return false;
  WriteFileAtomically(folder.config(), job.run_config);
  JobRecord started;
  try {
    started = table_.Start(job.id, ProgressMark(folder.run()));
  } catch (const Error& error) {
    if (error.code() == absl::StatusCode::kFailedPrecondition) return true;  // cancelled meanwhile
    throw;
  }
  try {
    tasks_.push_back(StartStep(started, Step::kTrain,
                               commands_.train(folder.config(), folder.run()), *std::move(lock)));
  } catch (const Error& error) {
    table_.Fail(job.id, WithoutPaths(error.what(), options_.hidden_roots));
    spdlog::error("job {}: {}", job.id, error.what());
    return true;
  }
  spdlog::info("job {} runs, attempt {}", job.id, started.attempts);
  return true;
}

bool JobRunner::StartPublication(const JobRecord& job) {
  const JobFolder folder = FolderOf(job);
  MakeFolder(folder.root);
  std::optional<FileDescriptor> lock = TryLock(folder.lock());
  if (!lock) return false;
  if (job.cancel_requested || publish_ == nullptr) {
    table_.FailPublication(job.id, job.cancel_requested ? "the publication was cancelled"
                                                        : "this server has no place to publish to");
    return true;
  }
  const JobRecord begun = table_.BeginPublication(job.id);
  try {
    const std::filesystem::path out = folder.publication(begun.publications);
    std::error_code ignored;  // of one that a killed server had begun
    std::filesystem::remove_all(folder.publication(job.publications), ignored);
    MakeFolder(out);
    const std::string& gallery = begun.gallery.empty() ? begun.manifest : begun.gallery;
    tasks_.push_back(StartStep(
        begun, Step::kEmbed,
        commands_.embed(folder.run(), gallery, SkipsBadPhotographs(begun), out / "embeddings"),
        *std::move(lock)));
  } catch (const Error& error) {
    table_.FailPublication(job.id, WithoutPaths(error.what(), options_.hidden_roots));
    spdlog::error("publishing job {}: {}", job.id, error.what());
    return true;
  }
  spdlog::info("job {} is being published", job.id);
  return true;
}

std::unique_ptr<JobRunner::Task> JobRunner::StartStep(const JobRecord& job, Step step,
                                                      JobCommands::Words words,
                                                      FileDescriptor lock) {
  const JobFolder folder = FolderOf(job);
  JobLog log(folder, options_.max_log_bytes);
  const std::string time = absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::Now(), absl::UTCTimeZone());
  const char* what = step == Step::kTrain   ? "training, attempt "
                     : step == Step::kEmbed ? "embedding for publication "
                                            : "indexing for publication ";
  log.Append(StrCat("--- ", time, " UTC: ", what,
                    step == Step::kTrain ? job.attempts : job.publications, "\n"));
  ChildProcess child({.argv = std::move(words),
                      .folder = folder.root,
                      .max_data_bytes = options_.max_memory_mb << 20,
                      .niceness = options_.niceness},
                     std::move(lock));
  std::optional<Clock::time_point> stop_at;
  if (options_.max_seconds > 0) stop_at = Clock::now() + std::chrono::seconds(options_.max_seconds);
  return std::make_unique<Task>(Task{.job = job,
                                     .step = step,
                                     .child = std::move(child),
                                     .log = std::move(log),
                                     .stop_at = stop_at});
}

void JobRunner::WaitForEvents() {
  const int timeout_ms = !tasks_.empty() ? kTickMs : must_retry_ ? kRetryMs : -1;
  pollfd wake{wake_.get(), POLLIN, 0};
  poll(&wake, 1, timeout_ms);
  uint64_t count = 0;
  if (read(wake_.get(), &count, sizeof(count)) < 0 && errno != EAGAIN) {
    spdlog::error("reading the runner's wake-up: {}", std::strerror(errno));
  }
}

void JobRunner::LookAfter(Task& task) {
  task.log.AppendFrom(task.child.output());
  if (task.status) return;
  task.status = task.child.TryWait();
  if (task.status) {
    task.log.AppendFrom(task.child.output());
    return;
  }
  const Clock::time_point now = Clock::now();
  if (now >= task.kill_at) {
    task.child.Signal(SIGKILL);
    task.kill_at = Clock::time_point::max();
  }
  if (task.stop != Stop::kNone) return;
  try {
    if (IsStopping()) {
      StopTask(task, Stop::kServer);
    } else if (table_.Get(task.job.id).cancel_requested) {
      StopTask(task, Stop::kCancel);
    } else if (task.stop_at && now >= *task.stop_at) {
      StopTask(task, Stop::kTimeLimit);
    }
  } catch (const std::exception& error) {
    spdlog::error("job {}: {}", task.job.id, error.what());
  }
}

void JobRunner::StopTask(Task& task, Stop why) {
  task.stop = why;
  task.kill_at = Clock::now() + options_.kill_grace;
  task.child.Signal(SIGTERM);
}

bool JobRunner::Conclude(std::unique_ptr<Task>& task) {
  if (task->step != Step::kTrain) return ConcludePublicationStep(task);
  ConcludeTraining(*task);
  return true;
}

void JobRunner::ConcludeTraining(const Task& task) {
  const JobRecord job = table_.Get(task.job.id);
  const int status = *task.status;
  spdlog::info("job {} {}", job.id, HowItEnded(status));
  if (EndedWell(status)) {
    if (job.publish.alias().empty() || job.cancel_requested || publish_ == nullptr) {
      table_.Succeed(job.id);
    } else {
      table_.SucceedAndPublish(job.id);
    }
    return;
  }
  if (job.cancel_requested) {
    table_.MarkCancelled(job.id);
    return;
  }
  switch (task.stop) {
    case Stop::kServer:
      table_.RunAgain(job.id, 0);
      return;
    case Stop::kTimeLimit:
      table_.Fail(job.id, StrCat("stopped after ", options_.max_seconds,
                                 " s, which is the server's limit"));
      return;
    case Stop::kCancel:
    case Stop::kNone:
      break;
  }
  if (WasEnded(status)) {
    ConcludeCrash(job, HowItEnded(status));
  } else {
    table_.Fail(job.id, WhyItFailed(job, HowItEnded(status)));
  }
}

// To be run again, unless that was tried too often for nothing.
void JobRunner::ConcludeCrash(const JobRecord& job, const std::string& how) {
  const bool has_progress = ProgressMark(FolderOf(job).run()) != job.mark;
  const int fruitless = has_progress ? 0 : job.fruitless_attempts + 1;
  if (fruitless < kMaxFruitlessAttempts) {
    table_.RunAgain(job.id, fruitless);
    return;
  }
  table_.Fail(job.id, StrCat(fruitless, " attempts in turn came no further; the last one ",
                             WhyItFailed(job, how)));
}

std::string JobRunner::WhyItFailed(const JobRecord& job, const std::string& how) const {
  std::string why = LogTail(FolderOf(job), kErrorLines, options_.hidden_roots);
  while (!why.empty() && why.back() == '\n') why.pop_back();
  return why.empty() ? how : StrCat(how, ": ", why);
}

// After the embedding comes the index, in its place among the tasks; then the publishing.
bool JobRunner::ConcludePublicationStep(std::unique_ptr<Task>& task) {
  const JobRecord& job = task->job;
  const bool is_done = EndedWell(*task->status);
  if (is_done && task->step == Step::kIndex) {
    PublishInTheBackground(job);
    return true;
  }
  if (is_done && task->stop == Stop::kNone) return !StartIndexing(task);
  if (task->stop != Stop::kServer) {  // begun anew by the next server otherwise
    table_.FailPublication(job.id, WhyNotPublished(*task));
  }
  std::error_code ignored;
  std::filesystem::remove_all(FolderOf(job).publication(job.publications), ignored);
  return true;
}

// True: the task is to be looked after further.
bool JobRunner::StartIndexing(std::unique_ptr<Task>& task) {
  const JobRecord& job = task->job;
  const JobFolder folder = FolderOf(job);
  std::optional<FileDescriptor> lock = TryLock(folder.lock());
  if (!lock) return true;  // what the embedding had started is on its way out
  const std::filesystem::path out = folder.publication(job.publications);
  try {
    task = StartStep(
        job, Step::kIndex,
        commands_.build_index(out / "embeddings", job.publish.index_type(), out / "index"),
        *std::move(lock));
    return true;
  } catch (const Error& error) {
    spdlog::error("publishing job {}: {}", job.id, error.what());
    table_.FailPublication(job.id, WithoutPaths(error.what(), options_.hidden_roots));
    return false;
  }
}

std::string JobRunner::WhyNotPublished(const Task& task) const {
  switch (task.stop) {
    case Stop::kCancel:
      return "the publication was cancelled";
    case Stop::kTimeLimit:
      return StrCat("the publication was stopped after ", options_.max_seconds,
                    " s, which is the server's limit");
    default:
      return StrCat(task.step == Step::kEmbed ? "embedding the gallery " : "indexing the gallery ",
                    WhyItFailed(task.job, HowItEnded(*task.status)));
  }
}

void JobRunner::PublishInTheBackground(const JobRecord& job) {
  {
    std::lock_guard lock(mutex_);
    publishing_.insert(job.id);
  }
  const bool taken = publisher_.TrySubmit([this, job] {
    const JobFolder folder = FolderOf(job);
    const std::filesystem::path out = folder.publication(job.publications);
    // A name that no publication of the job had before: one that a killed server was about to
    // make may be there.
    std::string collection = StrCat(job.publish.alias(), "-", job.id);
    if (job.publications > 1) collection += StrCat("-", job.publications);
    try {
      try {
        publish_(collection, out / "index", {folder.run().string()}, job.publish.alias());
        table_.Publish(job.id, collection);
        spdlog::info("job {} is published as {}", job.id, collection);
      } catch (const Error& error) {
        spdlog::error("publishing job {}: {}", job.id, error.what());
        table_.FailPublication(job.id, WithoutPaths(error.what(), options_.hidden_roots));
      }
      std::error_code ignored;
      std::filesystem::remove_all(out, ignored);
    } catch (const std::exception& error) {
      spdlog::error("publishing job {}: {}; the next start of the server tries again", job.id,
                    error.what());
      return;  // stays in publishing_: not before then
    }
    {
      std::lock_guard lock(mutex_);
      publishing_.erase(job.id);
    }
    Wake();
  });
  if (taken) return;
  std::lock_guard lock(mutex_);
  publishing_.erase(job.id);  // begun anew
}

}  // namespace fluke::serve
